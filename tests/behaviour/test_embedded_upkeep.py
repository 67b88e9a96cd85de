"""The embedded bus really expires and compacts, and offsets stay what they were."""

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.bus import embedded_upkeep
from hub.bus.contract import Offset, Received, TopicPartition, TopicSpec
from hub.bus.embedded import EmbeddedBus

NOW = 1_800_000_000
LAG, TOMBSTONE = 100, 1000


@pytest.fixture
def bus(quick_path: Path):
    bus = EmbeddedBus(quick_path / "bus.db")
    bus.create_topics(
        [
            TopicSpec("state", 1, "compact", compaction_lag_seconds=LAG, tombstone_seconds=TOMBSTONE),
            TopicSpec("audit", 1, "delete", retention_seconds=3600),
            TopicSpec("letters", 1, "delete"),
        ]
    )
    yield bus
    bus.close()


def write(bus: EmbeddedBus, topic: str, *records: tuple[bytes | None, bytes | None], at: float = NOW) -> None:
    producer = bus.producer("writer")
    producer.begin()
    for key, value in records:
        producer.send(topic, key, value, [("n", b"1")], partition=0, timestamp=int(at * 1000))
    producer.commit()


def held(bus: EmbeddedBus, topic: str) -> list[tuple[int, bytes | None, bytes | None]]:
    return [(record.offset, record.key, record.value) for record in bus.read_all(topic)]


def end(bus: EmbeddedBus, topic: str) -> int:
    return bus.end_offsets([topic])[TopicPartition(topic, 0)]


def test_records_go_when_they_are_older_than_the_retention(bus: EmbeddedBus):
    write(bus, "audit", (b"a", b"old"), at=NOW - 3601)
    write(bus, "audit", (b"b", b"young"), at=NOW - 3599)
    bus.maintain(NOW)
    assert held(bus, "audit") == [(1, b"b", b"young")]


def test_offsets_are_not_given_again_after_everything_has_expired(bus: EmbeddedBus, quick_path: Path):
    write(bus, "audit", (b"a", b"1"), (b"a", b"2"), at=NOW - 4000)
    bus.maintain(NOW)
    assert held(bus, "audit") == []
    bus.close()
    again = EmbeddedBus(quick_path / "bus.db")
    assert end(again, "audit") == 2
    write(again, "audit", (b"a", b"3"))
    assert held(again, "audit") == [(2, b"a", b"3")]
    again.close()


def test_a_backlog_of_many_transactions_expires_at_once(bus: EmbeddedBus):
    producer = bus.producer("writer")
    for number in range(1203):
        producer.begin()
        producer.send("audit", None, b"%d" % number, timestamp=(NOW - 4000) * 1000)
        producer.commit()
    write(bus, "audit", (b"a", b"young"))
    bus.maintain(NOW)
    assert held(bus, "audit") == [(1203, b"a", b"young")]


def test_a_topic_without_retention_keeps_everything(bus: EmbeddedBus):
    write(bus, "letters", (None, b"ancient"), at=0)
    bus.maintain(NOW)
    assert held(bus, "letters") == [(0, None, b"ancient")]


def test_compaction_keeps_the_newest_of_each_key_at_its_offset(bus: EmbeddedBus):
    write(bus, "state", (b"a", b"1"), (b"b", b"1"), (b"a", b"2"), at=NOW - 500)
    write(bus, "state", (b"c", b"1"), (b"a", b"3"), at=NOW - 400)
    bus.maintain(NOW)
    assert held(bus, "state") == [(1, b"b", b"1"), (3, b"c", b"1"), (4, b"a", b"3")]
    assert [list(record.headers) for record in bus.read_all("state")] == [[("n", b"1")]] * 3
    assert end(bus, "state") == 5


def test_a_second_pass_compares_the_new_with_the_old(bus: EmbeddedBus):
    write(bus, "state", (b"a", b"1"), (b"b", b"1"), at=NOW - 500)
    bus.maintain(NOW)
    write(bus, "state", (b"a", b"2"), at=NOW)
    bus.maintain(NOW + LAG + 1)
    assert held(bus, "state") == [(1, b"b", b"1"), (2, b"a", b"2")]


def test_a_superseded_record_stays_until_the_newer_one_is_old_enough(bus: EmbeddedBus):
    write(bus, "state", (b"a", b"1"), at=NOW - 500)
    write(bus, "state", (b"a", b"2"), at=NOW)
    bus.maintain(NOW + LAG - 1)
    assert len(held(bus, "state")) == 2
    bus.maintain(NOW + LAG + 1)
    assert held(bus, "state") == [(1, b"a", b"2")]


def test_a_tombstone_takes_its_key_with_it_and_later_goes_itself(bus: EmbeddedBus):
    write(bus, "state", (b"a", b"1"), (b"b", b"1"), (b"a", None))
    bus.maintain(NOW + LAG + 1)
    assert held(bus, "state") == [(1, b"b", b"1"), (2, b"a", None)]
    write(bus, "state", (b"c", b"1"))
    bus.maintain(NOW + TOMBSTONE + 1)
    assert held(bus, "state") == [(1, b"b", b"1"), (3, b"c", b"1")]


def test_a_reader_passes_the_gaps_and_its_lag_reads_nothing(bus: EmbeddedBus):
    write(bus, "state", (b"a", b"1"), (b"b", b"1"), at=NOW - 500)
    tp = TopicPartition("state", 0)
    reader = bus.consumer(["state"], group="group")
    (first,) = reader.poll(timeout_seconds=0, max_records=1)
    assert first.value == b"1"
    write(bus, "state", (b"c", b"1"), (b"b", b"2"), (b"c", None), at=NOW - 5000)
    bus.maintain(NOW)
    rest = reader.poll(timeout_seconds=0, max_records=100) + reader.poll(timeout_seconds=0, max_records=100)
    assert [record.offset for record in rest] in ([3], [1, 3])
    assert reader.position(tp) == end(bus, "state") == 5
    reader.commit({tp: Offset(reader.position(tp))})
    assert bus.group_offsets("group", ["state"])[tp].offset == 5


def test_small_transactions_become_large_batches(bus: EmbeddedBus, quick_path: Path):
    producer = bus.producer("writer")
    for number in range(300):
        producer.begin()
        producer.send("state", b"%d" % number, b"value", timestamp=0)
        producer.commit()
    before = held(bus, "state")
    bus.maintain(NOW)
    assert held(bus, "state") == before
    with closing(sqlite3.connect(quick_path / "bus.db")) as file:
        assert file.execute("SELECT count(*) FROM batches").fetchone() == (1,)


def test_commits_do_the_upkeep_little_by_little(bus: EmbeddedBus, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded_upkeep, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(bus._upkeep, "_due", 0.0)
    write(bus, "state", *[(b"a", b"%d" % n) for n in range(2000)], at=0)
    write(bus, "audit", (b"a", b"old"), at=0)
    for _ in range(30):
        write(bus, "letters", (None, b"x"))
    assert held(bus, "state") == [(1999, b"a", b"1999")]
    assert held(bus, "audit") == []


def test_commits_leave_a_pass_that_is_not_worth_it(bus: EmbeddedBus, monkeypatch: pytest.MonkeyPatch):
    write(bus, "state", *[(b"%d" % n, b"1") for n in range(3000)], at=time.time() - LAG - 10)
    bus.maintain()
    monkeypatch.setattr(embedded_upkeep, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(bus._upkeep, "_due", 0.0)
    write(bus, "state", *[(b"%d" % n, b"2") for n in range(1400)], at=time.time() - LAG - 10)
    for _ in range(30):
        write(bus, "letters", (None, b"x"))
    assert len(held(bus, "state")) == 4400
    write(bus, "state", *[(b"%d" % n, b"3") for n in range(1700)], at=time.time() - LAG - 10)
    for _ in range(60):
        write(bus, "letters", (None, b"x"))
    assert len(held(bus, "state")) == 3000


KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])
VALUES = st.none() | st.binary(max_size=3)
TRANSACTION = st.tuples(st.integers(0, 3000), st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=5))
STEP = TRANSACTION | st.integers(0, 6000)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=12))
def test_a_reader_of_a_compacted_topic_ends_with_the_same_state(quick_path: Path, steps):
    bus = EmbeddedBus(Path(mkdtemp(dir=quick_path)) / "bus.db")
    bus.create_topics(
        [TopicSpec("state", 1, "compact", compaction_lag_seconds=LAG, tombstone_seconds=TOMBSTONE)]
    )
    state: dict[bytes, bytes | None] = {}
    sent = 0
    for step in steps:
        if isinstance(step, int):
            bus.maintain(NOW + step)
        else:
            at, records = step
            write(bus, "state", *records, at=NOW + at)
            state.update(records)
            sent += len(records)
        assert alive(fold(bus.read_all("state"))) == alive(state)
    bus.maintain(NOW + 10_000)
    kept = list(bus.read_all("state"))
    assert len({record.key for record in kept}) == len(kept)
    assert all(record.value is not None for record in kept)
    assert end(bus, "state") == sent
    bus.close()


def fold(records) -> dict[bytes | None, bytes | None]:
    return {record.key: record.value for record in received(records)}


def received(records) -> list[Received]:
    return list(records)


def alive(state: Mapping[bytes | None, bytes | None] | Mapping[bytes, bytes | None]):
    return {key: value for key, value in state.items() if value is not None}
