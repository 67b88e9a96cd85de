"""The one way to ask the view; the API, the live stream, the page and exports rest on it.

Every answer is of one moment, and cursors hold while records change: a record that is there
from the first page to the last is on one of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Row, Select, func, literal, select, union_all

from hub.domains import DOMAINS
from hub.view.listing import Box, Listing, storable
from hub.view.store import Store
from hub.view.tables import CHANGE_COUNTER, COUNTS, CURRENT, FRESHNESS, HISTORY

Decode = Callable[[bytes], dict[str, Any]]


class Decoding(Protocol):
    """What the query layer needs of `hub.schema.codec.Codec`."""

    def decoder(self, topic: str) -> Decode: ...


@dataclass(frozen=True, slots=True)
class Item:
    """A record as it stands, and the number of the change that made it so."""

    record: dict[str, Any]
    change_number: int


@dataclass(frozen=True, slots=True)
class Page:
    items: Sequence[Item]
    next: str | None
    """Cursor of the page after this one; None on the last."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a record. `change_number` is None where a newer one was there before it."""

    source_version: int
    mapping_version: int
    change_number: int | None
    applied_at: int
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    number: int
    domain: str
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Freshness:
    """Microseconds of the source's time up to which every change is visible, and when that was found.

    Both are None for a feed of which nothing is known yet.
    """

    force: str
    domain: str
    complete_to: int | None
    seen_at: int | None


class Query:
    """Questions to one store. May be shared by threads."""

    def __init__(self, store: Store, codec: Decoding) -> None:
        self._store = store
        self._decoders = {name: codec.decoder(domain.topic) for name, domain in DOMAINS.items()}

    def list_records(
        self,
        domain: str,
        *,
        filters: Mapping[str, str | Sequence[str]] | None = None,
        box: Box | None = None,
        since: int | None = None,
        until: int | None = None,
        include_deleted: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """List records, newest first.

        `filters` maps `force` or a column of the domain to the value or values wanted. `box` is
        west, south, east, north in WGS84 degrees. `since` and `until` (microseconds, both
        included) keep the records whose time can lie between them. A record whose place in the
        list changes while it is paged may come twice, and what arrives meanwhile may come at the
        end. Raises `BadQueryError` for an unknown filter or a cursor that is not of this list.
        """
        listing = Listing(DOMAINS[domain], filters or {}, box, since, until, include_deleted=include_deleted)
        with self._store.reading() as connection:
            rows, following = listing.page(connection, limit, cursor)
        decode = self._decoders[domain]
        return Page([Item(decode(row.body), row.change_number) for row in rows], following)

    def get(self, domain: str, record_id: str) -> Item | None:
        """The record, deleted ones too; None where there is none."""
        if not storable(record_id):
            return None
        table = CURRENT[domain]
        row = self._one(select(table.c.body, table.c.change_number).where(table.c.id == record_id))
        return None if row is None else Item(self._decoders[domain](row.body), row.change_number)

    def history(self, domain: str, record_id: str) -> list[Version]:
        """Every version of a record that is known, newest first."""
        if not storable(record_id):
            return []
        table = HISTORY[domain]
        order = (table.c.source_version.desc(), table.c.mapping_version.desc())
        rows = self._all(select(table).where(table.c.id == record_id).order_by(*order))
        return [
            Version(
                row.source_version,
                row.mapping_version,
                row.change_number,
                row.applied_at,
                self._decoders[domain](row.body),
            )
            for row in rows
        ]

    def last_change(self) -> int:
        """The number up to which all changes are visible."""
        row = self._one(select(CHANGE_COUNTER.c.last))
        return int(row.last) if row is not None else 0

    def changes_after(self, number: int, limit: int) -> list[Change]:
        """The records of all domains changed after `number`, in the order of their last change.

        A record changed several times comes once, as it stands. Going on from the last number
        returned misses nothing: no lower number becomes visible later. One statement reads all
        domains, for two would see two moments.
        """
        changed = [_changed(name, number, limit) for name in CURRENT]
        rows = self._all(union_all(*changed).order_by("change_number").limit(limit))
        return [Change(row.change_number, row.domain, self._decoders[row.domain](row.body)) for row in rows]

    def freshness(self) -> list[Freshness]:
        """Every feed, in order of force and domain."""
        rows = self._all(select(FRESHNESS).order_by(FRESHNESS.c.force, FRESHNESS.c.domain))
        return [Freshness(row.force, row.domain, row.complete_to, row.seen_at) for row in rows]

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """By domain and force: received, applied, superseded, dead_lettered, erased, visible and deleted."""
        counts: dict[str, dict[str, dict[str, int]]] = {name: {} for name in CURRENT}
        for row in self._all(select(COUNTS)):
            counts.setdefault(row.domain, {}).setdefault(row.force, {})[row.name] = row.n
        for name, table in CURRENT.items():
            live = select(table.c.force, table.c.deleted, func.count().label("n"))
            for row in self._all(live.group_by(table.c.force, table.c.deleted)):
                counts[name].setdefault(row.force, {})["deleted" if row.deleted else "visible"] = row.n
        names = ("received", "applied", "superseded", "dead_lettered", "erased", "visible", "deleted")
        return {
            domain: {force: {name: n.get(name, 0) for name in names} for force, n in forces.items()}
            for domain, forces in counts.items()
        }

    def _one(self, statement: Select[Any]) -> Row[Any] | None:
        with self._store.reading() as connection:
            return connection.execute(statement).first()

    def _all(self, statement: Any) -> Sequence[Row[Any]]:
        with self._store.reading() as connection:
            return connection.execute(statement).fetchall()


def _changed(domain: str, number: int, limit: int) -> Any:
    """Walk the history's numbers, which are written once, and keep those that are a record's last."""
    current, history = CURRENT[domain], HISTORY[domain]
    return (
        select(history.c.change_number, literal(domain).label("domain"), current.c.body)
        .join(current, (current.c.id == history.c.id) & (current.c.change_number == history.c.change_number))
        .where(history.c.change_number > number)
        .order_by(history.c.change_number)
        .limit(limit)
        .subquery()
        .select()
    )
