"""Every event of a force becomes one alliance record, kept together with the offset it came from."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hub.bus.contract import Consumer, Offset, Producer, TopicPartition
from hub.errors import FencedError, TransientError
from hub.events import event_id
from hub.normalise.loop import GROUP
from tests.mapped import event, feed
from tests.normalising import Room, key

INCIDENTS = "alliance.incident.v1"
LEICESTERSHIRE = feed("leicestershire")
NOTTINGHAMSHIRE = feed("nottinghamshire")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.close()


def some(count: int, first: int = 1, **columns: Any) -> list[dict[str, Any]]:
    return [event(LEICESTERSHIRE, key=f"2016-11-01:{n}", **columns) for n in range(first, first + count)]


def test_an_event_becomes_one_record_under_the_same_key_and_partition(room: Room):
    room.publish(LEICESTERSHIRE, *some(20, SUMMARY="A fight"))
    room.normalise()
    read = {key(m): m.partition for m in room.messages(LEICESTERSHIRE.topic)}
    made = {key(m): m.partition for m in room.messages(INCIDENTS)}
    assert made == read
    assert len(set(made.values())) == 2
    for message, record in zip(room.messages(INCIDENTS), room.records(), strict=True):
        provenance = record["provenance"]
        raw = room.messages(LEICESTERSHIRE.topic)
        origin = next(m for m in raw if m.key == message.key)
        assert record["id"] == key(message)
        assert (provenance["raw_topic"], provenance["raw_partition"], provenance["raw_offset"]) == (
            origin.topic,
            origin.partition,
            origin.offset,
        )
        assert message.timestamp == origin.timestamp


def test_a_record_carries_the_headers_of_a_cloud_event(room: Room):
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    room.publish(LEICESTERSHIRE, event(LEICESTERSHIRE, version=4), trace=trace)
    room.normalise()
    (message,) = room.messages(INCIDENTS)
    subject = key(message)
    assert dict(message.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": event_id(subject, 4, 1).encode(),
        "ce_source": b"/alliance/leicestershire/incident",
        "ce_type": b"alliance.incident.v1",
        "ce_time": b"2016-11-01T11:33:20.000000Z",
        "ce_subject": subject.encode(),
        "content-type": b"application/vnd.confluent.avro",
        "traceparent": trace,
    }


def test_the_versions_of_a_record_keep_their_order(room: Room):
    room.publish(LEICESTERSHIRE, *(event(LEICESTERSHIRE, version=n, SUMMARY=str(n)) for n in range(1, 31)))
    room.normalise()
    assert [record["source_version"] for record in room.records()] == list(range(1, 31))


def test_all_forces_and_domains_meet_in_the_alliances_topics(room: Room):
    for of in room.feeds():
        room.publish(of, event(of, key="1"))
    room.normalise()
    assert {record["force"] for record in room.records()} == set(room.forces)
    assert {record["force"] for record in room.records("hr")} == set(room.forces)


def test_what_is_counted_adds_up_and_goes_on_over_a_restart(room: Room):
    room.publish(LEICESTERSHIRE, *some(10))
    room.write(LEICESTERSHIRE, (b"urn:x", b"no avro"))
    room.normalise()
    room.publish(LEICESTERSHIRE, *some(5, first=11))
    room.normalise()
    counts = room.counts(LEICESTERSHIRE)
    assert (counts.normalised, counts.dead_lettered, counts.again) == (15, 1, 0)
    assert len(room.records()) == 15
    labels = {"stage": "normalise", "force": "leicestershire", "domain": "incident"}
    for outcome, count in (("received", 16), ("normalised", 15), ("dead_lettered", 1)):
        assert room.metric("records_total", outcome=outcome, **labels) == count


def test_doubts_and_unknown_codes_are_counted_without_keys(room: Room):
    room.publish(LEICESTERSHIRE, *some(3, CREATED="2016-02-31 10:00:00", STATUS_CODE="Z"))
    room.normalise()
    of = {"force": "leicestershire", "domain": "incident"}
    assert room.metric("flags_total", problem="no_such_date", **of) == 3
    assert room.metric("unknown_codes_total", table="status", **of) == 3
    assert room.metric("unknown_codes_total", table="grade", **of) == 0


def test_an_erasure_passes_on_to_the_alliances_topic(room: Room):
    room.publish(LEICESTERSHIRE, *some(1))
    room.write(LEICESTERSHIRE, (some(1)[0]["record_id"].encode(), None))
    room.normalise()
    assert [(key(m), m.value is None) for m in room.messages(INCIDENTS)] == [
        (some(1)[0]["record_id"], False),
        (some(1)[0]["record_id"], True),
    ]


def test_every_series_is_there_before_the_first_event(room: Room):
    room.normalise()
    for of in room.feeds():
        labels = {"stage": "normalise", "force": of.force, "domain": of.domain}
        assert room.metric("records_total", outcome="normalised", **labels) == 0
        assert room.metric("retries_total", **labels) == 0
        assert room.metric("stage_stopped", **labels) == 0


def test_an_idle_normaliser_shows_progress_and_no_lag(room: Room):
    room.publish(LEICESTERSHIRE, *some(3))
    with room.running():
        room.wait(lambda: room.metric("lag_records", stage="normalise", topic=LEICESTERSHIRE.topic) == 0)
        labels = {"stage": "normalise", "force": "northamptonshire", "domain": "hr"}
        room.wait(lambda: (room.metric("last_progress_timestamp_seconds", **labels) or 0) > 0)


def test_a_normaliser_that_gets_none_of_the_events_that_wait_shows_no_progress(room: Room, monkeypatch):
    now = 1000.0
    normaliser = room.normaliser(clock=lambda: now)
    labels = {"stage": "normalise", "force": LEICESTERSHIRE.force, "domain": "incident"}

    def progress(seconds):
        nonlocal now
        now += seconds
        normaliser._next_tick = 0.0
        normaliser._turn()
        return room.metric("last_progress_timestamp_seconds", **labels)

    assert [progress(1), progress(1)] == [1001, 1002]
    with monkeypatch.context() as unanswered:
        unanswered.setattr(normaliser._consumer, "poll", lambda **_: [])
        room.publish(LEICESTERSHIRE, event(LEICESTERSHIRE))
        assert [progress(1), progress(1)] == [1002, 1002]
    room.wait(lambda: progress(1) == now)
    normaliser._let_go()


def test_offsets_pass_gaps_that_hold_no_records(room: Room):
    ahead = some(1)[0]["record_id"].encode()
    room.publish(LEICESTERSHIRE, *some(1))
    room.write(LEICESTERSHIRE, (ahead, None))
    room.bus.maintain(2e9)  # type: ignore[attr-defined]
    room.bus.maintain(4e9)  # type: ignore[attr-defined]
    assert room.messages(LEICESTERSHIRE.topic) == []
    assert room.ends([LEICESTERSHIRE.topic])
    room.normalise()


class Flaky:
    """A bus whose producers fail at some of their calls, as a broker does that goes away."""

    def __init__(self, bus: Any, failing: Callable[[str], Exception | None]) -> None:
        self._bus, self._failing = bus, failing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    def producer(self, transactional_id: str) -> "FlakyProducer":
        return FlakyProducer(self._bus.producer(transactional_id), self._failing)


class FlakyProducer:
    def __init__(self, producer: Producer, failing: Callable[[str], Exception | None]) -> None:
        self._producer, self._failing = producer, failing

    def __getattr__(self, name: str) -> Any:
        error = self._failing(name)
        if error is not None:
            raise error
        return getattr(self._producer, name)


@pytest.mark.parametrize("call", ["begin", "send", "keep_offsets", "commit"])
def test_a_bus_that_fails_for_a_while_is_tried_again_and_nothing_is_lost_or_doubled(room: Room, call: str):
    room.normalise()  # publishes the mappings
    room.publish(LEICESTERSHIRE, *some(40))
    left = [TransientError("the broker is away")] * 3

    def failing(name: str) -> Exception | None:
        return left.pop() if name == call and left else None

    room.normalise(bus=Flaky(room.bus, failing))
    assert not left
    assert sorted(record["id"] for record in room.records()) == sorted(e["record_id"] for e in some(40))
    assert room.counts(LEICESTERSHIRE).normalised == 40
    labels = {"stage": "normalise", "force": "leicestershire", "domain": "incident"}
    assert room.metric("retries_total", **labels) == 3


def test_a_normaliser_that_is_taken_over_stops(room: Room):
    room.publish(LEICESTERSHIRE, *some(3))

    def failing(name: str) -> Exception | None:
        return FencedError("another process took over") if name == "commit" else None

    with pytest.raises(FencedError):
        room.normalise(bus=Flaky(room.bus, failing))
    assert room.records() == []
    labels = {"stage": "normalise", "force": "leicestershire", "domain": "incident"}
    assert room.metric("stage_stopped", **labels) == 1


def test_what_was_sent_but_not_committed_is_never_seen(room: Room):
    room.publish(LEICESTERSHIRE, *some(3))
    producer = room.bus.producer(f"{GROUP}.1")
    producer.begin()
    producer.send(INCIDENTS, b"half", b"a record that its writer did not live to commit")
    room.normalise()
    assert len(room.messages(INCIDENTS)) == 3


class Unkept:
    """A bus that keeps no offsets, as Kafka has been seen to do with a torn transaction."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    def producer(self, transactional_id: str) -> Any:
        producer = self._bus.producer(transactional_id)

        def keep_nothing(consumer: Consumer, offsets: Mapping[TopicPartition, Offset]) -> None: ...

        producer.keep_offsets = keep_nothing
        return producer


def test_an_event_normalised_twice_gives_the_same_record_with_the_same_id(room: Room):
    room.publish(LEICESTERSHIRE, *some(3, SUMMARY="A fight"))
    with room.running(bus=Unkept(room.bus)):
        room.wait(lambda: len(room.messages(INCIDENTS)) == 3)
    room.bus.reset_group(GROUP, {})
    room.normalise()
    first, second = room.messages(INCIDENTS)[:3], room.messages(INCIDENTS)[3:]
    seen = {key(m): (m.value, dict(m.headers)["ce_id"]) for m in first}
    assert {key(m): (m.value, dict(m.headers)["ce_id"]) for m in second} == seen
