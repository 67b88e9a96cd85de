"""Decides what a batch changes: which versions are new, which are the newest, which came too late."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hub.domains import Domain
from hub.domains.domain import Record

Row = tuple[Any, ...]
"""Values of a current row in the order of its columns, `body` last."""


class Change(NamedTuple):
    """What the store keeps of one version of a record, `body` being its bytes as received.

    Taken from the decoded record at once: thousands of those, kept until the batch is applied,
    would cost the garbage collector as much as their decoding.
    """

    id: str
    force: str
    source_version: int
    mapping_version: int
    deleted: bool
    restricted: bool
    sort_micros: int
    read_at: int
    changed_at: int | None
    columns: tuple[str | int | float | None, ...]
    body: bytes


class Known(NamedTuple):
    """What the view knows of a record before a change."""

    source_version: int
    mapping_version: int
    sort_micros: int
    placed: int


@dataclass(slots=True)
class Plan:
    """What one batch of a domain changes.

    `newest` are rows for the current table; `passed` and `late` go to the history alone: they
    were the newest for a moment within the batch, or never.
    """

    newest: dict[str, Row] = field(default_factory=dict)
    passed: list[Row] = field(default_factory=list)
    late: list[Row] = field(default_factory=list)
    applied: Counter[str] = field(default_factory=Counter)
    superseded: Counter[str] = field(default_factory=Counter)
    changed: list[tuple[str, int]] = field(default_factory=list)
    """Force, and the instant of the change or of its reading, of every applied version."""


def change_taker(domain: Domain) -> Callable[[Record, bytes], Change]:
    """Make the function that takes a change of this domain from a decoded record and its bytes."""
    sort = domain.sort
    values = [column.value for column in domain.columns]

    def take(record: Record, body: bytes) -> Change:
        provenance = record["provenance"]
        return Change(
            record["id"],
            record["force"],
            record["source_version"],
            record["mapping_version"],
            record["deleted"],
            record["restricted"],
            sort(record),
            provenance["read_at"],
            provenance["changed_at"],
            tuple([value(record) for value in values]),
            body,
        )

    return take


def make_plan(changes: Iterable[Change], known: Mapping[str, Known], first_number: int) -> Plan:
    """Apply changes of one domain in order, one by one, numbering them from `first_number`.

    A version replaces an older one only (invariant 4); the same one again changes nothing
    (invariant 3).
    """
    plan, now, number = Plan(), dict(known), first_number
    for change in changes:
        record_id, force, version = change.id, change.force, change[2:4]
        before = now.get(record_id)
        if before is not None and version <= before[:2]:
            plan.superseded[force] += 1
            if version < before[:2]:
                plan.late.append(_row(change, 0, 0, 0))
            continue
        sort, placed = _place(change, before, number)
        now[record_id] = Known(*version, sort, placed)
        if record_id in plan.newest:
            plan.passed.append(plan.newest[record_id])
        plan.newest[record_id] = _row(change, number, sort, placed)
        plan.applied[force] += 1
        plan.changed.append((force, change.read_at if change.changed_at is None else change.changed_at))
        number += 1
    return plan


def _place(change: Change, before: Known | None, number: int) -> tuple[int, int]:
    """Where a record stands in the list; one that sorts by when it was read stays where it was first."""
    if before is not None and change.sort_micros in {change.read_at, before.sort_micros}:
        return before.sort_micros, before.placed
    return change.sort_micros, number


def _row(change: Change, number: int, sort: int, placed: int) -> Row:
    return (
        *change[:4],
        number,
        change.deleted,
        change.restricted,
        sort,
        placed,
        *change.columns,
        change.body,
    )
