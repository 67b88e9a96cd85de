"""How the whole hub is, as its bus and its store tell it: for a hub of one process and of many.

Nothing is asked of the processes themselves and nothing is changed; what does not answer is named
among the errors, and the rest is told all the same.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hub.bus.contract import Bus, Offset, TopicPartition
from hub.domains import DOMAINS
from hub.errors import HubError
from hub.flow import Flow, Status
from hub.forces import Feed
from hub.last_error import LastError, read_beside_offset

if TYPE_CHECKING:
    from hub.view.store import Store

_TOLD = ("normalised", "dead_lettered", "erased")


@dataclass(frozen=True, slots=True)
class Stage:
    """The normalisers or the views: who runs, what waits before them by topic, what they have done.

    `errors` are what they last said of partitions where they have not gone on since.
    """

    members: Sequence[str]
    waiting: Mapping[str, int]
    done: int
    errors: Sequence[LastError] = ()

    @property
    def lag(self) -> int:
        return sum(self.waiting.values())


@dataclass(frozen=True, slots=True)
class Overview:
    """One look at the hub. Times are in microseconds UTC; `ticks` is of a clock that nobody sets.

    A part that did not answer is None, or empty, and named in `errors`. `visible_to` is up to
    when each (force, domain) is complete in the view.
    """

    at: int
    ticks: float
    connectors: Sequence[Status] = ()
    normalisers: Stage | None = None
    view: Stage | None = None
    visible_to: Mapping[tuple[str, str], int] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


class Observer:
    """Looks at bus and store side by side. What opens them is called at each look until it succeeds."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        bus: Callable[[], Bus],
        flow: Callable[[], Flow],
        store: Callable[[], "Store"],
    ) -> None:
        self._feeds = feeds
        self._bus = bus
        self._flow = flow
        self._store = store
        self._opening_bus = threading.Lock()
        self._opening_store = threading.Lock()

    def look(self) -> Overview:
        """Look once; takes as long as the slowest part takes to answer or to be given up."""
        asked: dict[str, Callable[[], dict[str, object]]] = {
            "connectors": lambda: {"connectors": self._open_flow().statuses(self._feeds)},
            "normalisers": lambda: {"normalisers": self._normalisers()},
            "view": lambda: {"view": self._views()},
            "freshness": lambda: {"visible_to": self._visible_to()},
        }
        found: dict[str, object] = {}
        errors: dict[str, str] = {}
        with ThreadPoolExecutor(len(asked)) as pool:
            for name, answer in [(name, pool.submit(ask)) for name, ask in asked.items()]:
                try:
                    found |= answer.result()
                except HubError as error:
                    errors[name] = str(error)
        return Overview(time.time_ns() // 1000, time.monotonic(), errors=errors, **found)  # type: ignore[arg-type]

    def _normalisers(self) -> Stage:
        from hub.view.freshness import NORMALISER_GROUP

        bus, topics = self._open_bus(), sorted({feed.topic for feed in self._feeds})
        kept = bus.group_offsets(NORMALISER_GROUP, topics)
        passed = {partition: offset.offset for partition, offset in kept.items()}
        waiting = _waiting(topics, bus.end_offsets(topics), passed)
        done = sum(map(_done, kept.values()))
        return Stage(bus.group_members(NORMALISER_GROUP), waiting, done, _errors(kept.values()))

    def _views(self) -> Stage:
        from sqlalchemy import func, select

        from hub.view.loop import GROUP
        from hub.view.tables import COUNTS, KEPT

        received = select(func.sum(COUNTS.c.n)).where(COUNTS.c.name == "received")
        with self._open_store().reading() as connection:
            kept = connection.execute(select(KEPT.c.topic, KEPT.c.partition, KEPT.c.next_offset)).fetchall()
            done = int(connection.execute(received).scalar() or 0)
        bus, topics = self._open_bus(), [domain.topic for domain in DOMAINS.values()]
        passed = {TopicPartition(row.topic, row.partition): row.next_offset for row in kept}
        waiting = _waiting(topics, bus.end_offsets(topics), passed)
        errors = _errors(bus.group_offsets(GROUP, topics).values())
        return Stage(bus.group_members(GROUP), waiting, done, errors)

    def _visible_to(self) -> dict[tuple[str, str], int]:
        return {(fresh.force, fresh.domain): fresh.complete_to for fresh in self._open_store().fresh()}

    def _open_flow(self) -> Flow:
        with self._opening_bus:
            return self._flow()

    def _open_bus(self) -> Bus:
        with self._opening_bus:
            return self._bus()

    def _open_store(self) -> "Store":
        with self._opening_store:
            return self._store()


@dataclass(frozen=True, slots=True)
class Rates:
    """Records a second between two looks; None where one of the two did not tell."""

    connectors: Mapping[str, float]
    normalisers: float | None
    view: float | None


def rates(before: Overview | None, after: Overview) -> Rates:
    """Connectors count what they published, the others what they took in."""
    if before is None or after.ticks <= before.ticks:
        return Rates({}, None, None)
    seconds = after.ticks - before.ticks
    first = {status.name: status.counts.get("published", 0) for status in before.connectors}
    return Rates(
        {
            status.name: max(0, status.counts.get("published", 0) - first[status.name]) / seconds
            for status in after.connectors
            if status.name in first
        },
        _rate(before.normalisers, after.normalisers, seconds),
        _rate(before.view, after.view, seconds),
    )


def _rate(before: Stage | None, after: Stage | None, seconds: float) -> float | None:
    if before is None or after is None:
        return None
    return max(0, after.done - before.done) / seconds


def _waiting(
    topics: Iterable[str], ends: Mapping[TopicPartition, int], passed: Mapping[TopicPartition, int]
) -> dict[str, int]:
    waiting: Counter[str] = Counter(dict.fromkeys(topics, 0))
    for partition, end in ends.items():
        waiting[partition.topic] += max(0, end - passed.get(partition, 0))
    return dict(waiting)


def _done(kept: Offset) -> int:
    """How many records the normalisers took in, as they keep it beside their offsets."""
    counts, _ = read_beside_offset(kept.metadata)
    return sum(counts.get(name, 0) for name in _TOLD)


def _errors(kept: Iterable[Offset]) -> list[LastError]:
    """Each error once, the oldest first; a process says the same of all its partitions."""
    found = {error for offset in kept if (error := read_beside_offset(offset.metadata)[1]) is not None}
    return sorted(found, key=lambda error: error.at)
