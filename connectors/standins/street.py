"""Street files of data.police.uk as the content of the forces' incident systems.

Every row becomes one incident. A file says no more of time than the month, so its rows are
spread evenly over the month in the order they stand in, and each takes the next number of its
local day: the system's own key names the row, never its content. Crime ids, which repeat and
are often empty, are kept as the Niche reference.
"""

import calendar
import csv
import datetime as dt
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.standins.legacy import LegacySystems
from connectors.standins.truth import LONDON, Place, TruthIncident, local
from connectors.standins.vocabulary import GRADES_CHANGED
from hub.errors import ConfigurationError

_NAME = re.compile(r"(\d{4})-(\d{2})-([a-z][a-z-]*)-street\.csv")
_DEGREES = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_COLUMNS = (
    "Crime ID", "Month", "Reported by", "Falls within", "Longitude", "Latitude", "Location", "LSOA code",
    "LSOA name", "Crime type", "Last outcome category", "Context",
)  # fmt: skip

CRIME_TYPES: dict[str, tuple[str, str]] = {
    "Anti-social behaviour": ("102", "SCHEDULED"),
    "Bicycle theft": ("012", "NO_ATTENDANCE"),
    "Burglary": ("003", "PRIORITY"),
    "Criminal damage and arson": ("007", "SCHEDULED"),
    "Drugs": ("009", "SCHEDULED"),
    "Other crime": ("014", "SCHEDULED"),
    "Other theft": ("005", "NO_ATTENDANCE"),
    "Possession of weapons": ("011", "EMERGENCY"),
    "Public disorder and weapons": ("010", "PRIORITY"),
    "Public order": ("010", "PRIORITY"),
    "Robbery": ("004", "EMERGENCY"),
    "Shoplifting": ("008", "SCHEDULED"),
    "Theft from the person": ("013", "SCHEDULED"),
    "Vehicle crime": ("006", "NO_ATTENDANCE"),
    "Violence and sexual offences": ("001", "EMERGENCY"),
    "Violent crime": ("001", "EMERGENCY"),
}
"""Crime type to national opening code and grade."""

_UNDECIDED = {"Under investigation", "Awaiting court outcome"}


@dataclass(frozen=True, slots=True)
class StreetFile:
    path: Path
    force: str
    year: int
    month: int


def find_street_files(
    folder: Path, forces: Collection[str], *, skip_unknown: bool
) -> tuple[list[StreetFile], list[str]]:
    """The street files of configured forces, in order of name, and the names of those skipped.

    Raises `ConfigurationError` for a folder without any and, unless `skip_unknown`, for files
    of forces that are not configured.
    """
    found = _street_files(folder)
    unknown = [file for file in found if file.force not in forces]
    if unknown and not skip_unknown:
        raise ConfigurationError(
            "\n".join(
                f"{file.path.name}: force '{file.force}' is not configured; add its folder to `forces`,"
                f" or leave the file out with --skip-unknown. Configured are: {', '.join(sorted(forces))}."
                for file in unknown
            )
        )
    return [file for file in found if file not in unknown], [file.path.name for file in unknown]


def _street_files(folder: Path) -> list[StreetFile]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise ConfigurationError(f"Street folder '{folder}': {error.strerror}.") from error
    matches = [(path, match) for path in paths if (match := _NAME.fullmatch(path.name))]
    if not matches:
        raise ConfigurationError(f"Street folder '{folder}' holds no file YYYY-MM-<force>-street.csv.")
    return [StreetFile(path, m[3], int(m[1]), int(m[2])) for path, m in matches]


def load_street_file(legacy: LegacySystems, file: StreetFile) -> int:
    """Enter a file's rows into its force's incident system; return how many, 0 if done before.

    Rows go in with stamps of their own month, as a system that has held them since, unless
    the system holds rows already: then with the present instant, as any backfill.
    """
    name = file.path.name
    with legacy.lock:
        if legacy.book.was_loaded(name):
            return 0
        newest = legacy.book.newest_date(file.force)
        truths = list(_incidents(legacy, file))
        backfill = newest is not None and newest >= dt.date(file.year, file.month, 1)
        now = legacy.clock()
        if truths:
            legacy.enter(truths, [now if backfill else t.closed or t.created for t in truths])
        legacy.book.loaded(name, len(truths))
        return len(truths)


def _incidents(legacy: LegacySystems, file: StreetFile) -> Iterator[TruthIncident]:
    rows = _read(file)
    instants = list(_spread(file.year, file.month, len(rows)))
    days = [local(instant).date() for instant in instants]
    numbers = {day: legacy.book.number(file.force, day, n) for day, n in Counter(days).items()}
    for row, created, day in zip(rows, instants, days, strict=True):
        yield _incident(file.force, row, created, day, numbers[day])
        numbers[day] += 1


def _read(file: StreetFile) -> list[dict[str, str]]:
    try:
        with file.path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            if tuple(reader.fieldnames or ()) != _COLUMNS:
                raise ConfigurationError(
                    f"{file.path}: not a street file: its header is not the twelve columns."
                )
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{file.path}: not a street file in UTF-8: {error}.") from None
    for line, row in enumerate(rows, 2):
        if row["Crime type"] not in CRIME_TYPES:
            raise ConfigurationError(f"{file.path}, line {line}: unknown crime type '{row['Crime type']}'.")
        for name in ("Longitude", "Latitude"):
            if row[name] and not _DEGREES.fullmatch(row[name]):
                raise ConfigurationError(f"{file.path}, line {line}: {name} '{row[name]}' is no number.")
    return rows


def _spread(year: int, month: int, rows: int) -> Iterator[dt.datetime]:
    """So many instants at even distances over a local month, in whole minutes."""
    first = dt.datetime(year, month, 1, tzinfo=LONDON).astimezone(dt.UTC)
    last = dt.datetime(year, month, calendar.monthrange(year, month)[1], 23, 59, tzinfo=LONDON)
    minutes = int((last.astimezone(dt.UTC) - first).total_seconds()) // 60
    return (first + dt.timedelta(minutes=minutes * n // rows) for n in range(rows))


def _incident(
    force: str, row: dict[str, str], created: dt.datetime, day: dt.date, number: int
) -> TruthIncident:
    opening, grade = CRIME_TYPES[row["Crime type"]]
    if grade == "NO_ATTENDANCE" and day.isoformat() < GRADES_CHANGED:
        grade = "SCHEDULED"  # not every force had a grade for it then
    outcome = row["Last outcome category"]
    closed = outcome not in _UNDECIDED
    words = (row["Crime type"], outcome, row["Context"])
    return TruthIncident(
        force=force,
        date=day,
        number=number,
        created=created,
        closed=created + dt.timedelta(hours=2) if closed else None,
        status="CLOSED" if closed else "OPEN",
        grade=grade,
        opening=opening,
        closing=opening if closed else "",
        summary=". ".join(word for word in words if word),
        place=Place(
            text=row["Location"],
            latitude=float(row["Latitude"]) if row["Latitude"] else None,
            longitude=float(row["Longitude"]) if row["Longitude"] else None,
            beat=row["LSOA code"],
        ),
        niche=row["Crime ID"],
    )
