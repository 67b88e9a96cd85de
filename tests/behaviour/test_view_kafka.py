"""Views on a real Kafka: they share the partitions, relieve each other, and pass transaction markers."""

import threading

import pytest

from hub.bus import open_bus
from hub.metrics import Metrics
from hub.view.loop import GROUP, TOPICS, View
from tests.view_bus import CODEC, FORCES, INCIDENTS, stage
from tests.view_records import T0, incident
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


FORCE = "northamptonshire"
"""Of the second test, which uses the same topics."""


@pytest.fixture
def scene(fresh_broker, postgres_schema_url):
    with stage(f"kafka://{fresh_broker.address}", postgres_schema_url, partitions=4) as made:
        yield made


class Running:
    """A view in a thread of its own, with a bus of its own, as another process would have."""

    def __init__(self, scene, instance):
        self._bus = open_bus(scene.bus.url)
        self.view = View(self._bus, scene.store, CODEC, FORCES, Metrics(), instance=instance)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.view.run, args=(self._stop,))
        self._thread.start()

    def partitions(self):
        return set() if self.view._consumer is None else set(self.view._consumer.assignment())

    def stop(self):
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        self._bus.close()


def _publish(scene, numbers, version=1):
    for number in numbers:
        scene.publish("incident", incident(str(number), version), incident(f"{number}-b", version))


def _caught_up(scene):
    ends = scene.bus.end_offsets(TOPICS)
    reached = {partition: kept.next_offset for partition, kept in scene.store.kept(TOPICS).items()}
    return all(reached.get(partition, 0) == end for partition, end in ends.items())


def test_two_views_share_the_work_and_one_goes_on_alone_without_loss_or_repetition(scene):
    first, second = Running(scene, "1"), Running(scene, "2")
    wait_until(lambda: first.partitions() and second.partitions(), "both views get partitions")
    _publish(scene, range(40))
    wait_until(lambda: _caught_up(scene), "all is applied and the markers behind it passed")
    assert first.view.taken > 0
    assert second.view.taken > 0
    second.stop()
    _publish(scene, range(20), version=2)
    wait_until(lambda: _caught_up(scene), "the other view has taken over")
    third = Running(scene, "3")
    wait_until(third.partitions, "the third view gets partitions")
    _publish(scene, range(40, 50))
    wait_until(lambda: _caught_up(scene), "all is applied by both")
    for each in (first, third):
        each.stop()
    counts = scene.query.counts()["incident"]["leicestershire"]
    assert counts["received"] == counts["applied"] == 140
    assert counts["visible"] == 100
    changes = scene.query.changes_after(0, 1000)
    assert len(changes) == 100
    told = {partition: offset.offset for partition, offset in scene.bus.group_offsets(GROUP, TOPICS).items()}
    assert {p: told.get(p, 0) for p in scene.bus.end_offsets([INCIDENTS])} == scene.bus.end_offsets(
        [INCIDENTS]
    )


def test_an_open_transaction_holds_freshness_back_until_it_has_ended(scene):
    """A committed record behind an open transaction cannot be read yet, so it must not count as visible."""
    view, written = scene.view(), _written(scene)
    topic = f"{FORCE}.incident.v1"
    other = scene.bus.producer("test.other")
    other.begin()
    other.send(INCIDENTS, f"urn:alliance:incident:{FORCE}:command:x".encode(), None, partition=0)
    wait_until(lambda: _written(scene) > written, "the open transaction's record is written")
    scene.send(topic, (b"event", b"an event"))
    scene.publish("incident", *(incident(str(n), force=FORCE) for n in range(20)))
    scene.complete(FORCE, "incident", T0)
    scene.normalised(topic)
    for _ in range(20):
        scene.now += 1
        view.step()
    assert _complete_to(scene) is None
    other.abort()
    wait_until(lambda: _step(scene, view) == T0, "freshness goes on after the abort")
    assert scene.query.counts()["incident"][FORCE]["visible"] == 20


def _written(scene):
    return sum(scene.bus.end_offsets([INCIDENTS], and_open=True).values())


def _complete_to(scene):
    known = {(f.force, f.domain): f.complete_to for f in scene.query.freshness()}
    return known[FORCE, "incident"]


def _step(scene, view):
    scene.now += 1
    view.step()
    return _complete_to(scene)
