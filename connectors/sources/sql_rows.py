"""Database values become rows: text, numbers and booleans as the schema names them, and the key."""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from connectors.source import Row
from connectors.sources.columns import Column, Kind
from connectors.sources.sql_database import Raw
from connectors.sources.sql_settings import SqlSettings, VersionTime
from connectors.sources.stated import VersionNumber
from hub.errors import SourceChangedError
from hub.events import source_key

LONDON = ZoneInfo("Europe/London")

_CHANGED_COLUMN_ROWS = 50
_PLAIN: dict[Kind, frozenset[type]] = {
    "string": frozenset((str, type(None))),
    "long": frozenset((int, type(None))),
    "double": frozenset((float, type(None))),
    "boolean": frozenset((bool, type(None))),
}
_NUMBERS = frozenset((int, bool, type(None)))
_BOOLEANS = {0: False, 1: True, None: None}
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+").fullmatch
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class UnreadableError(ValueError):
    """A value that the column's kind in the schema cannot hold."""


class RowMaker:
    """Makes rows of pages of one table."""

    def __init__(self, feed: str, settings: SqlSettings, columns: Sequence[Column]) -> None:
        self._feed = feed
        self._table = settings.table
        self._columns = columns
        self._fields = [column.field for column in columns]
        place = {column.name: index for index, column in enumerate(columns)}
        self._key = [place[name] for name in settings.key]
        self._key_columns = [columns[index] for index in self._key]
        self._flag = place[settings.deleted.column] if settings.deleted else None
        self._flags = frozenset(settings.deleted.values if settings.deleted else ())
        mark, version = settings.watermark, settings.version
        self._mark = place[mark.column] if mark and columns[place[mark.column]].kind == "string" else None
        self._local = mark is not None and mark.local
        self._number = place[version.number] if isinstance(version, VersionNumber) else None
        self._time = place[version.time] if isinstance(version, VersionTime) else None

    def rows(self, page: Sequence[Raw], read_at: int) -> list[Row]:
        """Make the rows of a page. A value that its column cannot hold is null, and `place` says so."""
        if not page:
            return []
        unreadable: dict[int, list[str]] = {}
        held = [
            self._hold(column, values, unreadable)
            for column, values in zip(self._columns, zip(*page, strict=True), strict=True)
        ]
        keys = self._keys([held[index] for index in self._key])
        marks: Sequence[Any] = [None] * len(page) if self._mark is None else held[self._mark]
        changed = {mark: None if mark is None else micros(mark, self._local, read_at) for mark in set(marks)}
        fields, flag, flags = self._fields, self._flag, self._flags
        made = []
        for index, values in enumerate(zip(*held, strict=True)):
            key = keys[index]
            place = f"{self._table} {key}" if key is not None else f"{self._table}, a row without its key"
            if index in unreadable:
                place += f"; unreadable: {', '.join(unreadable[index])}"
            made.append(
                Row(
                    key,
                    dict(zip(fields, values, strict=True)),
                    place,
                    self._version(values),
                    flag is not None and values[flag] in flags,
                    (),
                    changed[marks[index]],
                )
            )
        return made

    def keys(self, page: Sequence[Raw]) -> list[Row]:
        """Make rows that carry keys alone; a row without one is left out."""
        if not page:
            return []
        columns = zip(self._key_columns, zip(*page, strict=True), strict=True)
        keys = self._keys([self._hold(column, values, {}) for column, values in columns])
        return [Row(key, {}, self._table) for key in keys if key is not None]

    def _hold(self, column: Column, values: Sequence[Any], unreadable: dict[int, list[str]]) -> Sequence[Any]:
        """The values of one column as the schema's kind holds them."""
        kinds = set(map(type, values))
        if kinds <= _PLAIN[column.kind]:
            return values
        if column.kind == "boolean" and kinds <= _NUMBERS and set(values) <= _BOOLEANS.keys():
            return [_BOOLEANS[value] for value in values]
        convert = _CONVERT[column.kind]
        held, bad = [], 0
        for index, value in enumerate(values):
            try:
                held.append(None if value is None else convert(value))
            except (UnreadableError, ValueError, OverflowError):
                bad += 1
                held.append(None)
                unreadable.setdefault(index, []).append(column.name)
        if len(values) >= _CHANGED_COLUMN_ROWS and bad * 2 > len(values):
            raise SourceChangedError(
                f"{self._feed}: column '{column.name}' of '{self._table}' holds no {column.kind} in {bad} of "
                f"{len(values)} rows: its type has changed. Correct its type in the schema and start again."
            )
        return held

    def _keys(self, parts: Sequence[Sequence[Any]]) -> list[str | None]:
        if len(parts) == 1:
            return [_part(value) for value in parts[0]]
        made = ([_part(value) for value in values] for values in zip(*parts, strict=True))
        return [None if None in each else ":".join(each) for each in made]  # type: ignore[arg-type]

    def _version(self, values: Sequence[Any]) -> int | None:
        if self._number is not None:
            number = values[self._number]
            return number if type(number) is int else None
        if self._time is not None and values[self._time] is not None:
            at = micros(values[self._time], local=False, read_at=0)
            return None if at is None else at * 1000
        return None


def parse_time(text: str) -> dt.datetime | None:
    """Read YYYY-MM-DD HH:MM:SS, with or without a fraction or an offset; None for anything else."""
    try:
        return dt.datetime.fromisoformat(text) if text[:4].isdigit() and text[4:5] == "-" else None
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _instants(text: str, local: bool) -> tuple[int, ...]:
    """The instants that a time may mean, earliest first: two in the repeated hour of October."""
    at = parse_time(text)
    if at is None:
        return ()
    if at.tzinfo is not None:
        zoned = [at]
    elif local:
        zoned = [at.replace(tzinfo=LONDON), at.replace(tzinfo=LONDON, fold=1)]
    else:
        zoned = [at.replace(tzinfo=dt.UTC)]
    return tuple(sorted({(each.astimezone(dt.UTC) - _EPOCH) // _MICROSECOND for each in zoned}))


def micros(text: str, local: bool, read_at: int) -> int | None:
    """The instant of a time in microseconds UTC: of two, the last that was not after the reading."""
    instants = _instants(text, local)
    if not instants:
        return None
    return next((each for each in reversed(instants) if each <= read_at), instants[0])


def _part(value: Any) -> str | None:
    """One part of a key, percent-encoded; None where it is blank or no text."""
    text = str(value) if value is not None else ""
    if _UNRESERVED(text):
        return text
    try:
        return source_key(text) if text.strip() else None
    except UnicodeEncodeError:
        return None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dt.datetime):
        # one with an offset in UTC: which offset is shown is up to the session
        return (value.astimezone(dt.UTC) if value.tzinfo else value).isoformat(" ")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes | bytearray | memoryview):
        raise UnreadableError
    return str(value)


def _long(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str | float | Decimal):
        raise UnreadableError
    number = int(value)
    if number != (Decimal(value) if isinstance(value, str) else value) or not -(2**63) <= number < 2**63:
        raise UnreadableError
    return number


def _double(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | str | float | Decimal):
        raise UnreadableError
    return float(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, int | Decimal) and value in (0, 1):
        return bool(value)
    raise UnreadableError


_CONVERT: dict[Kind, Callable[[Any], Any]] = {
    "string": _text,
    "long": _long,
    "double": _double,
    "boolean": _boolean,
}
