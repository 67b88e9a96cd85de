"""A list of records, newest first, with cursors that hold while records change.

Pages go down the list by (sort, id). A record that moves up past the cursor meanwhile would
be missed, so the cursor also keeps the change number at which paging began, and after the
last page come the records that took their place since.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, false, func, or_, select, tuple_

from hub.domains import Domain
from hub.errors import BadQueryError
from hub.view.tables import CHANGE_COUNTER, CURRENT

Box = tuple[float, float, float, float]
"""West, south, east, north, in WGS84 degrees."""

MAX_LIMIT = 10_000
REPEATED_MICROS = 3_600_000_000
"""As far as the two meanings of a British time lie apart; it lets a database stop looking in time."""


class Cursor(NamedTuple):
    """Where a page ended: below (sort, id), or, once the list is done, after `placed`."""

    since_number: int
    sort: int | None
    id: str
    placed: int


class Listing:
    """One list: a domain, what is asked of its records, and the way through its pages."""

    def __init__(
        self,
        domain: Domain,
        filters: Mapping[str, str | Sequence[str]],
        box: Box | None,
        since: int | None,
        until: int | None,
        *,
        include_deleted: bool,
    ) -> None:
        self._table = CURRENT[domain.name]
        self._where = [*_filters(domain, filters), *_box(domain, box), *_time(domain, since, until)]
        if not include_deleted:
            self._where.append(self._table.c.deleted == false())
        asked = [domain.name, sorted((k, _several(v)) for k, v in filters.items()), box, since, until]
        self._mark = blake2b(json.dumps([asked, include_deleted]).encode(), digest_size=6).hexdigest()

    def page(
        self, connection: Connection, limit: int, cursor: str | None
    ) -> tuple[Sequence[Row[Any]], str | None]:
        """The rows of the page that `cursor` names, the first if None, and the cursor of the next."""
        if not 1 <= limit <= MAX_LIMIT:
            raise BadQueryError(f"limit {limit} is outside 1 to {MAX_LIMIT}.")
        last = connection.execute(select(CHANGE_COUNTER.c.last)).scalar_one()
        start = None if cursor is None else self._read_cursor(cursor)
        since = last if start is None else start.since_number
        rows: list[Row[Any]] = []
        if start is None or start.sort is not None:
            rows = self._below(connection, start, limit + 1)
            if len(rows) > limit:
                at = rows[limit - 1]
                return rows[:limit], self._cursor(Cursor(since, at.sort_micros, at.id, 0))
        if start is None or since == last:
            return rows, None
        return self._tail(connection, since, start, rows, limit)

    def _tail(
        self, connection: Connection, since: int, start: Cursor, rows: list[Row[Any]], limit: int
    ) -> tuple[Sequence[Row[Any]], str | None]:
        """Add the records placed since paging began, or since the tail's last page."""
        after = since if start.sort is not None else start.placed
        room = limit - len(rows)
        moved = self._moved(connection, after, room + 1)
        if len(moved) > room:
            placed = moved[room - 1].placed if room else after
            return rows + moved[:room], self._cursor(Cursor(since, None, "", placed))
        return rows + moved, None

    def _below(self, connection: Connection, start: Cursor | None, limit: int) -> list[Row[Any]]:
        c = self._table.c
        statement = select(c.body, c.change_number, c.sort_micros, c.id).where(*self._where)
        if start is not None:
            statement = statement.where(tuple_(c.sort_micros, c.id) < tuple_(start.sort, start.id))
        statement = statement.order_by(c.sort_micros.desc(), c.id.desc()).limit(limit)
        return list(connection.execute(statement))

    def _moved(self, connection: Connection, after: int, limit: int) -> list[Row[Any]]:
        c = self._table.c
        statement = select(c.body, c.change_number, c.placed).where(c.placed > after, *self._where)
        return list(connection.execute(statement.order_by(c.placed).limit(limit)))

    def _cursor(self, cursor: Cursor) -> str:
        text = json.dumps([self._mark, *cursor], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def _read_cursor(self, text: str) -> Cursor:
        remedy = "take `next` of the page before, with the same filters, or begin anew without a cursor."
        try:
            padded = text.encode() + b"=" * (-len(text) % 4)
            mark, number, sort, record_id, placed = json.loads(base64.b64decode(padded, b"-_", validate=True))
        except (binascii.Error, ValueError, TypeError):
            raise BadQueryError(f"The cursor cannot be read; {remedy}") from None
        if mark != self._mark:
            raise BadQueryError(f"The cursor is of another list; {remedy}")
        numbers = (number, placed, 0 if sort is None else sort)
        if not all(type(n) is int and abs(n) < 1 << 63 for n in numbers) or not (
            type(record_id) is str and storable(record_id)
        ):
            raise BadQueryError(f"The cursor cannot be read; {remedy}")
        return Cursor(number, sort, record_id, placed)


def _several(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _filters(domain: Domain, filters: Mapping[str, str | Sequence[str]]) -> list[ColumnElement[bool]]:
    table = CURRENT[domain.name]
    several = {column.name: column.several for column in domain.columns if column.kind == "text"}
    several["force"] = False
    conditions = []
    for name, value in filters.items():
        if name not in several:
            raise BadQueryError(f"'{name}' is no filter of {domain.path}; these are: {', '.join(several)}.")
        column, wanted = table.c[name], [_text(name, word) for word in _several(value)]
        if several[name]:
            conditions.append(
                or_(false(), *(column.contains(f" {word} ", autoescape=True) for word in wanted))
            )
        else:
            conditions.append(column.in_(wanted))
    return conditions


def storable(word: str) -> bool:
    """Whether a record can hold this; PostgreSQL refuses NUL and half a surrogate pair."""
    return "\0" not in word and not any("\ud800" <= letter <= "\udfff" for letter in word)


def _text(name: str, word: str) -> str:
    if not storable(word):
        raise BadQueryError(f"'{name}' holds a character that no record can hold.")
    return word


def _box(domain: Domain, box: Box | None) -> list[ColumnElement[bool]]:
    if box is None:
        return []
    c = CURRENT[domain.name].c
    if "latitude" not in c or "longitude" not in c:
        raise BadQueryError(f"{domain.path} have no place to search a box for.")
    west, south, east, north = box
    return [c.latitude.between(south, north), c.longitude.between(west, east)]


def _time(domain: Domain, since: int | None, until: int | None) -> list[ColumnElement[bool]]:
    """Keep what overlaps: a local time of the repeated hour can mean two instants."""
    c = CURRENT[domain.name].c
    conditions: list[ColumnElement[bool]] = []
    for instant in (since, until):
        if instant is not None and abs(instant) >= 1 << 63:
            raise BadQueryError("The time lies outside what can be stored; take one within 290,000 years.")
    if since is not None:
        earliest = since
        if domain.latest is not None:
            conditions.append(func.coalesce(c[domain.latest], c.sort_micros) >= since)
            earliest = max(since - REPEATED_MICROS, -(1 << 63))
        conditions.append(c.sort_micros >= earliest)
    if until is not None:
        conditions.append(c.sort_micros <= until)
    return conditions
