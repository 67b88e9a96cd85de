"""Decides what a batch changes: which versions are new, which are the newest, which came too late."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hub.domains import Domain
from hub.domains.domain import Record

Row = tuple[Any, ...]
"""Values of a current row in the order of its columns, `body` last."""


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


def row_maker(domain: Domain) -> Callable[[Record, bytes, int, int, int], Row]:
    """Make rows of a domain: (record, body, change number, sort, placed) -> row."""
    values = [column.value for column in domain.columns]

    def make(record: Record, body: bytes, number: int, sort: int, placed: int) -> Row:
        return (
            record["id"],
            record["force"],
            record["source_version"],
            record["mapping_version"],
            number,
            record["deleted"],
            record["restricted"],
            sort,
            placed,
            *[value(record) for value in values],
            body,
        )

    return make


class Planner:
    """Plans the batches of one domain."""

    def __init__(self, domain: Domain) -> None:
        self._sort = domain.sort
        self._make = row_maker(domain)

    def plan(
        self, records: Iterable[tuple[Record, bytes]], known: Mapping[str, Known], first_number: int
    ) -> Plan:
        """Apply records in order, one by one, numbering changes from `first_number`.

        A version replaces an older one only (invariant 4); the same one again changes nothing
        (invariant 3). A record that sorts by when it was read keeps the place of its first reading.
        """
        plan, now, number = Plan(), dict(known), first_number
        for record, body in records:
            record_id, force = record["id"], record["force"]
            version = (record["source_version"], record["mapping_version"])
            before = now.get(record_id)
            if before is not None and version <= before[:2]:
                plan.superseded[force] += 1
                if version < before[:2]:
                    plan.late.append(self._make(record, body, 0, 0, 0))
                continue
            sort, placed, read_at = self._place(record, before, number)
            now[record_id] = Known(*version, sort, placed)
            if record_id in plan.newest:
                plan.passed.append(plan.newest[record_id])
            plan.newest[record_id] = self._make(record, body, number, sort, placed)
            plan.applied[force] += 1
            changed_at = record["provenance"]["changed_at"]
            plan.changed.append((force, read_at if changed_at is None else changed_at))
            number += 1
        return plan

    def _place(self, record: Record, before: Known | None, number: int) -> tuple[int, int, int]:
        sort, read_at = self._sort(record), record["provenance"]["read_at"]
        if before is None:
            return sort, number, read_at
        if sort in {read_at, before.sort_micros}:
            return before.sort_micros, before.placed, read_at
        return sort, number, read_at


def ids(records: Sequence[tuple[Record, bytes]]) -> list[str]:
    return list({record["id"] for record, _ in records})
