"""The whole way on a bus with a broker's known faults: the view is right, whatever the topics hold twice.

A connector reads a script of rows, a normaliser and a view follow; commits of each are left
unanswered, done or not, and aborted batches become visible.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from connectors.loop import Connector
from hub.bus.topics import specs
from hub.errors import TransientError
from hub.forces import load_forces
from hub.metrics import Metrics
from hub.normalise.loop import GROUP as NORMALISERS
from hub.normalise.loop import Normaliser
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from hub.view.loop import View
from hub.view.query import Query
from hub.view.store import Store
from tests.connecting import LEICESTERSHIRE, Told, batch, key, row
from tests.faulty_bus import FaultyBus
from tests.stores import wipe

ALLIANCE = "alliance.incident.v1"
CONNECTOR, NORMALISER, VIEW = "leicestershire.", "hub.normalise", "hub.view"
FORCES = load_forces([LEICESTERSHIRE])
CODEC = Codec(load_registry(FORCES))
FEED = FORCES["leicestershire"].feeds["incident"]
MOST_TURNS = 60

rows = st.tuples(st.integers(1, 3), st.sampled_from(["1", "2", None]))
"""A key and its grade now; None where the source says that it was removed."""
days = st.lists(
    st.lists(st.lists(rows, min_size=1, max_size=3), min_size=1, max_size=3), min_size=1, max_size=3
)
"""Runs of the connector, of batches, of rows."""
faults = st.lists(
    st.tuples(
        st.sampled_from([CONNECTOR, CONNECTOR, NORMALISER, NORMALISER, VIEW]),
        st.sampled_from(["applied", "dropped", "torn"]),
    ),
    max_size=8,
)


class Stages(NamedTuple):
    """What stands behind the connector."""

    bus: FaultyBus
    normaliser: Normaliser
    view: View
    query: Query

    def follow(self) -> None:
        """Turn until all that is there has been normalised and taken in."""
        for _ in range(MOST_TURNS):
            with suppress(TransientError):
                self.normaliser._turn()
            with suppress(TransientError):
                self.view.step()
            if self._is_through():
                return
        raise AssertionError("it does not come through")

    def _is_through(self) -> bool:
        ends = self.bus.end_offsets([FEED.topic, ALLIANCE])
        reached = {tp: kept.offset for tp, kept in self.bus.group_offsets(NORMALISERS, [FEED.topic]).items()}
        reached |= self.view.reached()
        return all(reached.get(partition, 0) >= end for partition, end in ends.items())


@pytest.fixture(scope="module", autouse=True)
def no_pauses() -> Iterator[None]:
    """Try again at once: how long the loops wait is not what is tried here."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("hub.retry.wait_exponential_jitter", lambda **_: lambda _state: 0.0)
        patched.setattr("hub.normalise.loop._TICK_SECONDS", 0.0)
        yield


@settings(
    max_examples=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(days=days, faults=faults)
def test_the_view_is_right_whatever_a_broker_does_with_commits(
    quick_store: Store, days: Any, faults: Any
) -> None:
    wipe(quick_store)
    bus: Any = FaultyBus(specs(FORCES, partitions=2))
    bus.faults = list(faults)
    metrics, clock = Metrics(), iter(range(1_480_000_000, 2_000_000_000, 61))
    stages = Stages(
        bus,
        Normaliser(bus, FORCES, CODEC, metrics),
        View(bus, quick_store, CODEC, FORCES, metrics, clock=lambda: float(next(clock))),
        Query(quick_store, CODEC),
    )
    told: list[Any] = []
    for day in days:
        told += [batch(*(row(n, grade, removed=grade is None) for n, grade in rows)) for rows in day]
        source = Told(*told)
        Connector(FEED, source, bus, CODEC, metrics).run(source.stop)
        stages.follow()
    truth = {key(n): grade for day in days for rows in day for n, grade in rows}
    _check_events(bus)
    _check_view(stages.query, truth)
    stages.view.close()


def _check_events(bus: FaultyBus) -> None:
    """One version of a record has one content, and a new one is above all before it."""
    decode = CODEC.decoder(FEED.topic)
    contents: dict[tuple[str, int], Any] = {}
    newest: dict[str, int] = {}
    for received in bus.read_all(FEED.topic):
        assert received.value is not None
        event = decode(received.value)
        which = event["key"], event["source_version"]
        content = event["content_hash"], event["deleted"], event["row"]
        assert which in contents or which[1] > newest.get(which[0], 0)
        assert contents.setdefault(which, content) == content, "a version was given twice"
        newest[which[0]] = max(newest.get(which[0], 0), which[1])


def _check_view(query: Query, truth: dict[str, str | None]) -> None:
    items = query.list_records("incident").items
    shown = {item.record["source_key"]: item.record["grade"]["local"] for item in items}
    assert shown == {name: grade for name, grade in truth.items() if grade is not None}
