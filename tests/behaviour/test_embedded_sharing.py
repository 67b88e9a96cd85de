"""The embedded bus among many threads and processes."""

import multiprocessing
import threading
from pathlib import Path

import pytest

from hub.bus.contract import Offset, TopicPartition, TopicSpec
from hub.bus.embedded import EmbeddedBus
from hub.bus.embedded_locks import FileLock, WriteLock
from hub.bus.embedded_read import Reader
from hub.errors import FencedError, HubError, TransientError

EVENTS = TopicSpec("events", 2, "delete")
WRITERS, TURNS = 4, 25


@pytest.fixture
def path(tmp_path: Path) -> Path:
    bus = EmbeddedBus(tmp_path / "bus.db")
    bus.create_topics([EVENTS])
    bus.close()
    return tmp_path / "bus.db"


def write(bus: EmbeddedBus, writer: int) -> None:
    producer = bus.producer(f"writer.{writer}")
    for turn in range(TURNS):
        producer.begin()
        for step in range(3):
            producer.send("events", b"%d" % writer, b"%d" % (turn * 3 + step), partition=writer % 2)
        producer.commit()


def write_in_a_process(path: Path, writer: int) -> None:
    bus = EmbeddedBus(path)
    write(bus, writer)
    bus.close()


def everything_is_there(bus: EmbeddedBus) -> None:
    records = list(bus.read_all("events"))
    for partition in range(2):
        offsets = [record.offset for record in records if record.partition == partition]
        assert offsets == list(range(WRITERS * TURNS * 3 // 2))
    for writer in range(WRITERS):
        mine = [record.value for record in records if record.key == b"%d" % writer]
        assert mine == [b"%d" % n for n in range(TURNS * 3)]


def test_threads_share_one_bus(path: Path):
    bus = EmbeddedBus(path)
    threads = [threading.Thread(target=write, args=(bus, number)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything_is_there(bus)
    bus.close()


def test_processes_share_one_file(path: Path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_in_a_process, args=(path, n)) for n in range(WRITERS)]
    bus = EmbeddedBus(path)
    consumer = bus.consumer(["events"], group=None)
    for writer in writers:
        writer.start()
    found = 0
    while found < WRITERS * TURNS * 3:
        records = consumer.poll(timeout_seconds=60, max_records=1000)
        assert records, "the writers' records did not come"
        found += len(records)
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    everything_is_there(bus)
    bus.close()


def test_waiting_commits_are_written_together_and_a_fenced_one_fails_alone(path: Path):
    bus = EmbeddedBus(path)
    producers = [bus.producer(f"writer.{number}") for number in range(6)]
    for number, producer in enumerate(producers):
        producer.begin()
        producer.send("events", b"key", b"%d" % number, partition=0)
    bus.producer("writer.3")
    outcomes: dict[int, HubError | None] = {}

    def commit(number: int) -> None:
        outcomes[number] = None
        try:
            producers[number].commit()
        except HubError as error:
            outcomes[number] = error

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(6)]
    version = bus._reader.data_version()
    with WriteLock(Path(f"{path}.locks") / "write").held():
        for thread in threads:
            thread.start()
        while len(bus._commits._waiting) < 5:
            threads[0].join(0.01)
    for thread in threads:
        thread.join()
    assert bus._reader.data_version() - version <= 2
    assert isinstance(outcomes.pop(3), FencedError)
    assert set(outcomes.values()) == {None}
    assert {record.value for record in bus.read_all("events")} == {b"0", b"1", b"2", b"4", b"5"}
    bus.close()


def test_the_write_lock_keeps_out_other_threads_as_well_as_other_holders(tmp_path: Path):
    one = WriteLock(tmp_path / "write")
    entered = threading.Event()

    def enter(lock: WriteLock) -> None:
        with lock.held():
            entered.set()

    for lock in (one, WriteLock(tmp_path / "write")):
        thread = threading.Thread(target=enter, args=(lock,))
        with one.held():
            thread.start()
            assert not entered.wait(0.05)
        thread.join(30)
        assert entered.is_set()
        entered.clear()


def test_a_member_that_was_replaced_can_keep_no_more_offsets(path: Path):
    bus = EmbeddedBus(path)
    tp = TopicPartition("events", 0)
    first = bus.consumer(["events"], group="group")
    for lock in Path(f"{path}.locks").glob("group-*"):
        lock.unlink()
    second = bus.consumer(["events"], group="group")
    second.commit({tp: Offset(2)})
    with pytest.raises(FencedError, match="taken over group 'group'"):
        first.commit({tp: Offset(1)})
    producer = bus.producer("writer")
    producer.begin()
    producer.send("events", b"key", b"value", partition=0)
    producer.keep_offsets(bus.consumer(["events"], group="other"), {tp: Offset(1)})
    producer.keep_offsets(first, {tp: Offset(1)})
    with pytest.raises(FencedError):
        producer.commit()
    assert bus.group_offsets("other", ["events"]) == {}
    assert bus.group_offsets("group", ["events"]) == {tp: Offset(2)}
    assert list(bus.read_all("events")) == []
    bus.close()


def test_a_waiting_reader_wakes_at_a_commit_in_its_process(path: Path):
    bus = EmbeddedBus(path)
    consumer = bus.consumer(["events"], group=None)
    found: list[object] = []
    reader = threading.Thread(target=lambda: found.extend(consumer.poll(timeout_seconds=60, max_records=10)))
    reader.start()
    producer = bus.producer("writer")
    producer.begin()
    producer.send("events", b"key", b"value")
    producer.commit()
    reader.join(30)
    assert len(found) == 1
    bus.close()


def test_a_consumer_that_could_not_be_made_leaves_its_place_to_the_next_attempt(path, monkeypatch):
    bus = EmbeddedBus(path)
    with monkeypatch.context() as broken:
        broken.setattr(Reader, "committed", _away)
        with pytest.raises(TransientError):
            bus.consumer(["events"], group="readers")
    bus.consumer(["events"], group="readers")
    bus.close()


def _away(*_):
    raise TransientError("the disk does not answer")


def test_a_bus_is_closed_while_another_process_that_stands_still_holds_its_lock(path, monkeypatch):
    monkeypatch.setattr("hub.bus.embedded_locks.WRITE_SECONDS", 3600)
    bus, other = EmbeddedBus(path), EmbeddedBus(path)
    bus.consumer(["events"], group="readers")
    producer = bus.producer("writer")
    producer.begin()
    producer.send("events", b"key", b"waits")
    standing_still = FileLock(Path(f"{path}.locks") / "write")
    assert standing_still.try_take()
    waiting = threading.Thread(target=producer.commit)
    waiting.start()
    while not bus._write_lock._threads.locked():
        waiting.join(0.01)
    bus.close()
    assert waiting.is_alive()
    standing_still.close()
    waiting.join()
    bus._commits._connection.close()
    assert [record.value for record in other.read_all("events")] == [b"waits"]
    other.close()
