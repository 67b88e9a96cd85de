"""Code tables: what a force's codes mean in the alliance's words, and from which day to which.

`codes/<name>.csv` has a header `local,common,from,until`: dates as YYYY-MM-DD, both days
included, blank is open. Further columns fill fields of the target with their name (`category`);
a column `note` is for people.
"""

import csv
import datetime as dt
import difflib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DATING = ("from", "until")
FIRST_DAY, LAST_DAY = "0000-00-00", "9999-99-99"


@dataclass(frozen=True, slots=True)
class CodeRow:
    """A row of a table; `line` is its line in the file, `since` and `until` its first and last day."""

    line: int
    local: str
    values: Mapping[str, str]
    since: str
    until: str

    @property
    def is_dated(self) -> bool:
        return (self.since, self.until) != (FIRST_DAY, LAST_DAY)


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    file: Path
    columns: tuple[str, ...]
    rows: tuple[CodeRow, ...]

    def find(self, local: str, day: str | None = None) -> CodeRow | None:
        """The row of a local code on a day (YYYY-MM-DD); without a day, the only row there is."""
        rows = [row for row in self.rows if row.local == local.strip()]
        if day is None:
            return rows[0] if len(rows) == 1 else None
        return next((row for row in rows if row.since <= day <= row.until), None)

    @property
    def is_dated(self) -> bool:
        return any(row.is_dated for row in self.rows)

    @property
    def written(self) -> list[list[str]]:
        """The rows as plain lists, for the mapping's published text."""
        return [[row.local, json.dumps(row.values), row.since, row.until] for row in self.rows]


def load_table(folder: Path, name: str) -> tuple[Table | None, list[str]]:
    """Read `codes/<name>.csv` of a force's folder, with everything that is wrong with it."""
    file = folder / "codes" / f"{name}.csv"
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        return None, [f"no such code table as {file}{_similar(name, file.parent)}"]
    except UnicodeDecodeError:
        return None, [f"{file} is not UTF-8; save it as UTF-8."]
    lines = list(csv.reader(io.StringIO(text, newline="")))
    header = tuple(cell.strip() for cell in lines[0]) if lines else ()
    if not {"local", "common"} <= set(header) or len(set(header)) != len(header):
        return None, [f"{file}: the header must name local and common, each column once; it is {header}."]
    problems: list[str] = []
    rows = tuple(_rows(file, header, lines, problems))
    problems += _overlaps(file, rows)
    if not rows:
        problems.append(f"{file} has no rows.")
    columns = tuple(name for name in header if name not in {"local", "note", *DATING})
    return Table(name, file, columns, rows), problems


def _similar(name: str, folder: Path) -> str:
    names = [file.stem for file in folder.glob("*.csv")]
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; there are {', '.join(sorted(names)) or 'none'}."


def _rows(
    file: Path, header: Sequence[str], lines: Sequence[Sequence[str]], problems: list[str]
) -> Iterator[CodeRow]:
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            problems.append(f"{file}, line {number}: {len(cells)} cells under {len(header)} columns.")
            continue
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        dates = [row.get(each, "") for each in DATING]
        if any(each and not _is_day(each) for each in dates):
            problems.append(f"{file}, line {number}: from and until are YYYY-MM-DD or blank.")
            continue
        since, until = dates[0] or FIRST_DAY, dates[1] or LAST_DAY
        if since > until:
            problems.append(f"{file}, line {number}: it ends ({until}) before it begins ({since}).")
            continue
        values = {name: row[name] for name in header if name not in {"local", "note", *DATING}}
        yield CodeRow(number, row["local"], values, since, until)


def _is_day(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _overlaps(file: Path, rows: Sequence[CodeRow]) -> Iterator[str]:
    last: dict[str, CodeRow] = {}
    for row in sorted(rows, key=lambda row: (row.local, row.since)):
        before = last.get(row.local)
        if before is not None and row.since <= before.until:
            yield (
                f"{file}, lines {before.line} and {row.line}: '{row.local}' stands twice on the same days; "
                "remove one, or end the first before the second begins."
            )
        last[row.local] = row
