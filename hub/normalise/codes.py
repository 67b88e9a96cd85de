"""Translation of codes by a table. A code without a row maps to UNKNOWN, is flagged and counted."""

import difflib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import Field

from hub.normalise.alliance import Node
from hub.normalise.code_tables import CodeRow, Table
from hub.normalise.flags import Flags, Row, as_text, flag
from hub.normalise.rule import Made, Options, RuleError, Site, Transform
from hub.schema.lasting import Lasting

_MOST_DAYS = 8192


class CodeOptions(Options):
    codes: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    on: str | None = None
    otherwise: str | None = None
    digits: int | None = Field(None, ge=1, le=20)


Lookup = Callable[[Row, str, Flags], Any]


def codes(options: CodeOptions, site: Site) -> Made:
    """Compile the translation of a code by a table, on the day of another column where the table is dated."""
    column = site.column("string", "int", "long", "boolean")
    table = site.table(options.codes)
    lookup, shape = translation(options, site, site.target)
    plain: dict[Any, Any] = {
        row.local: shape.value(row.local, row.values) for row in table.rows if not row.is_dated
    }
    plain[None] = plain[""] = plain.get("") or shape.unknown("")

    def value(row: Row, flags: Flags) -> Any:
        local = row[column]
        found = plain.get(local)
        return lookup(row, as_text(local), flags) if found is None else found

    return Made(value, shape.fills)


def translation(options: CodeOptions, site: Site, target: Node) -> tuple[Lookup, "_Shape"]:
    """Make the function that looks a code up, and the shape of what it gives for `target`."""
    table = site.table(options.codes)
    shape = _Shape(target, table, options)
    known: dict[str, list[CodeRow]] = defaultdict(list)
    for row in table.rows:
        known[row.local].append(row)
    if options.on is not None or table.is_dated:
        return _dated(known, options, site, shape), shape
    return _undated(known, shape), shape


def _undated(known: Mapping[str, Sequence[CodeRow]], shape: "_Shape") -> Lookup:
    def lookup(_row: Row, local: str, flags: Flags) -> Any:
        rows = known.get(local.strip())
        return shape.value(local, rows[0].values) if rows else shape.unknown_code(local, flags)

    return lookup


def _dated(
    known: Mapping[str, Sequence[CodeRow]], options: CodeOptions, site: Site, shape: "_Shape"
) -> Lookup:
    if options.on is None:
        raise RuleError(f"{options.codes}.csv is dated; name with `on` the column whose date decides.")
    node, form = site.date_form(options.on)
    column, width = node.name, form.width
    by_day: dict[tuple[str, str], Any] = {}

    def lookup(row: Row, local: str, flags: Flags) -> Any:
        text = row[column]
        day_text = text[:width] if text.__class__ is str else ""
        found = by_day.get((local, day_text))
        return decide(local, day_text, flags) if found is None else found

    def decide(local: str, day_text: str, flags: Flags) -> Any:
        rows = known.get(local.strip())
        if rows is None:
            return shape.unknown_code(local, flags)
        day = form.date(day_text)
        if isinstance(day, str):
            return shape.undated(local, rows, flags)
        row = next((each for each in rows if each.since <= day.isoformat() <= each.until), None)
        if row is None:
            return shape.unknown_code(local, flags)
        if len(by_day) >= _MOST_DAYS:
            by_day.clear()
        result = by_day[local, day_text] = shape.value(local, row.values)
        return result

    return lookup


class _Shape:
    """How a table's values look in the target: a record with `local` and the columns, or a bare value."""

    def __init__(self, target: Node, table: Table, options: CodeOptions) -> None:
        self._path, self._bare = target.path, target.kind != "record"
        if self._bare:
            self._nodes = {"common": target}
        else:
            if "local" not in target.fields:
                raise RuleError("the field has no 'local' to keep the code in; choose one that has.")
            missing = [name for name in table.columns if name not in target.fields]
            if missing:
                raise RuleError(
                    f"{table.file.name} has a column '{missing[0]}' that the field has not; name it 'note'?"
                )
            self._nodes = {name: target.fields[name] for name in table.columns}
        self.fills = () if self._bare else ("local", *self._nodes)
        _check_values(table, self._nodes, options)
        self._unknown = {name: node.blank for name, node in self._nodes.items()}
        self._otherwise = self._unknown | ({"common": options.otherwise} if options.otherwise else {})

    def value(self, local: str, values: Mapping[str, str]) -> Any:
        if self._bare:
            return values["common"]
        return Lasting({"local": local} | {name: values[name] for name in self._nodes})

    def unknown(self, local: str) -> Any:
        return self.value(local, self._unknown)

    def unknown_code(self, local: str, flags: Flags) -> Any:
        if not local.strip():
            return self.unknown("")
        flags.append(flag(self._path, "unknown_code", local))
        return self.value(local, self._otherwise)

    def undated(self, local: str, rows: Sequence[CodeRow], flags: Flags) -> Any:
        """Without a usable day, a code is known only if it has always meant the same."""
        if all(row.values == rows[0].values for row in rows):
            return self.value(local, rows[0].values)
        flags.append(flag(self._path, "undated_code", local))
        return self.value(local, self._otherwise)


def _check_values(table: Table, nodes: Mapping[str, Node], options: CodeOptions) -> None:
    wrong: list[str] = []
    for name, node in nodes.items():
        if node.kind not in {"enum", "string"}:
            raise RuleError(f"a code table cannot fill '{node.path}', which is {node.kind}.")
        for row in table.rows:
            text = row.values[name]
            if node.symbols and text not in node.symbols:
                close = difflib.get_close_matches(text, node.symbols, n=1) or [", ".join(node.symbols)]
                wrong.append(f"line {row.line}: {name} '{text}' is not an alliance value; use {close[0]}")
            if options.digits and name == "common" and not _has_digits(text, options.digits):
                wrong.append(f"line {row.line}: '{text}' is not {options.digits} digits")
    symbols = nodes["common"].symbols
    if options.otherwise is not None and symbols and options.otherwise not in symbols:
        wrong.append(f"`otherwise` '{options.otherwise}' is not an alliance value; use {', '.join(symbols)}")
    if wrong:
        raise RuleError(f"{table.file.name}: {'; '.join(wrong)}.")


def _has_digits(text: str, count: int) -> bool:
    return len(text) == count and text.isascii() and text.isdigit()


TRANSFORMS = {
    "codes": Transform("A code table `codes/<name>.csv`; dated tables by the day `on`.", CodeOptions, codes),
}
