"""Records, history, counts and offsets are kept together or not at all, and change numbers hold."""

import multiprocessing
import threading
import time

import pytest
from sqlalchemy import text

from hub.bus.contract import TopicPartition
from hub.errors import FencedError, TransientError
from hub.view.plan import make_plan
from hub.view.query import Query
from hub.view.session import Fresh, Move
from hub.view.store import open_store
from tests.stores import TP, engine_on, keys, put, put_records
from tests.view_records import T0, JsonCodec, batch, incident, staff

OTHER = TopicPartition("alliance.incident.v1", 1)


def test_a_batch_is_kept_with_its_offset_and_read_on_from_there_after_reopening(store_url):
    store = open_store(store_url)
    put_records(store, "incident", incident("1"), incident("2"))
    store.close()
    store = open_store(store_url)
    assert store.kept([TP.topic])[TP].next_offset == 2
    assert keys(Query(store, JsonCodec()).list_records("incident")) == ["2", "1"]
    store.close()


def test_up_to_where_records_were_counted_is_remembered_while_they_are_replayed(store):
    put_records(store, "incident", *(incident(str(n)) for n in range(3)))
    store.empty()
    put_records(store, "incident", incident("0"))
    kept = store.kept([TP.topic])[TP]
    assert (kept.next_offset, kept.counted_to) == (1, 3)


def test_nothing_of_a_batch_is_kept_where_another_view_moved_the_offset(store, query):
    put_records(store, "incident", incident("1"))
    with pytest.raises(FencedError, match="offset of alliance"):
        store.apply([batch("incident", incident("2"))], {TP: Move(0, 5)})
    assert keys(query.list_records("incident")) == ["1"]
    assert store.kept([TP.topic])[TP].next_offset == 1
    assert query.counts()["incident"]["leicestershire"]["received"] == 1


def test_nothing_of_a_batch_is_kept_where_one_of_its_records_cannot_be(store, query):
    put_records(store, "incident", incident("1"))
    with pytest.raises(TypeError):
        put(store, batch("incident", incident("2")), _broken())
    assert keys(query.list_records("incident")) == ["1"]
    assert store.kept([TP.topic])[TP].next_offset == 1
    put_records(store, "incident", incident("3"))
    assert keys(query.list_records("incident")) == ["3", "1"]


def _broken():
    """A batch with a version that is none."""
    broken = batch("incident", incident("3"), incident("3", 2))
    broken.changes[1] = broken.changes[1]._replace(source_version=None)
    return broken


def _apply_until_killed(url, ready):
    store = open_store(url)
    for number in range(1_000_000):
        put(store, batch("incident", *(incident(f"{number}-{n}") for n in range(5))), batch("hr", staff()))
        if number == 10:
            ready.set()


def test_a_view_that_is_killed_leaves_as_many_records_as_its_offset_says(store_url):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_apply_until_killed, args=(store_url, ready))
    process.start()
    assert ready.wait(60)
    process.kill()
    process.join()
    store = open_store(store_url)
    counts = Query(store, JsonCodec()).counts()
    offset = store.kept([TP.topic])[TP].next_offset
    assert offset >= 60
    assert counts["incident"]["leicestershire"]["visible"] * 6 == offset * 5
    assert counts["hr"]["leicestershire"]["received"] * 6 == offset
    store.close()


@pytest.mark.postgres
def test_a_change_number_is_visible_only_when_all_lower_ones_are(postgres_schema_url):
    first, second = open_store(postgres_schema_url), open_store(postgres_schema_url)
    reader = open_store(postgres_schema_url)
    query = Query(reader, JsonCodec())
    first.declare([TP, OTHER])
    with first._writer.transaction() as held:
        number = held.take_numbers(1)  # held between its number and its commit
        late = threading.Thread(
            target=second.apply, args=([batch("incident", incident("2"))], {OTHER: Move(0, 1)})
        )
        late.start()
        _until_waiting(postgres_schema_url)
        assert late.is_alive()
        assert query.last_change() == number - 1
        assert query.changes_after(0, 10) == []
        plan = make_plan(batch("incident", incident("1")).changes, {}, number)
        held.write("incident", plan, T0)
    late.join(30)
    assert [change.record["source_key"] for change in query.changes_after(0, 10)] == [
        "command:1",
        "command:2",
    ]
    assert query.last_change() > number
    for each in (first, second, reader):
        each.close()


@pytest.mark.postgres
def test_a_version_that_another_view_wrote_meanwhile_is_not_written_over_by_an_older_one(postgres_schema_url):
    first, second = open_store(postgres_schema_url), open_store(postgres_schema_url)
    first.declare([TP, OTHER])
    older = batch("incident", incident("1", 1)).changes

    def write_over():
        with first._writer.transaction() as session:
            put(second, batch("incident", incident("1", 5)), partition=OTHER)
            session.write("incident", make_plan(older, {}, session.take_numbers(1)), T0)

    with pytest.raises(TransientError, match="Another view wrote"):
        write_over()
    item = Query(second, JsonCodec()).get("incident", incident("1")["id"])
    assert item is not None
    assert item.record["source_version"] == 5
    first.close()
    second.close()


def _until_waiting(url):
    """Wait until a session of the database waits for a lock."""
    deadline = time.monotonic() + 30
    engine = engine_on(url)
    with engine.connect() as connection:
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while connection.execute(waiting).scalar_one() == 0:
            assert time.monotonic() < deadline, "nobody waits for a lock"
            connection.rollback()
    engine.dispose()


def test_two_views_write_at_once_and_a_reader_misses_no_change(store_url):
    writers, reader = [open_store(store_url), open_store(store_url)], open_store(store_url)
    writers[0].declare([TP, OTHER])
    done = threading.Event()
    seen: list[int] = []

    def write(store, partition):
        for n in range(30):
            put(store, batch("incident", incident(f"{partition.partition}-{n}")), partition=partition)

    def read():
        query, after = Query(reader, JsonCodec()), 0
        while True:
            last_round = done.is_set()
            changes = query.changes_after(after, 7)
            seen.extend(change.number for change in changes)
            after = seen[-1] if seen else 0
            if last_round and not changes:
                return

    threads = [threading.Thread(target=write, args=pair) for pair in zip(writers, (TP, OTHER), strict=True)]
    reading = threading.Thread(target=read)
    for thread in (*threads, reading):
        thread.start()
    for thread in threads:
        thread.join(60)
    done.set()
    reading.join(60)
    assert len(seen) == 60
    assert seen == sorted(set(seen))
    for each in (*writers, reader):
        each.close()


def test_readers_are_not_held_up_by_a_writer(store_url):
    writer, reader = open_store(store_url), open_store(store_url)
    query = Query(reader, JsonCodec())
    put_records(writer, "incident", incident("1"))
    with writer._writer.transaction() as held:
        held.take_numbers(5)
        assert keys(query.list_records("incident")) == ["1"]
        assert query.last_change() == 1
    writer.close()
    reader.close()


def test_freshness_never_goes_back_and_a_feed_that_left_is_forgotten(store, query):
    store.declare_feeds([("a", "incident"), ("b", "hr")])
    assert [(f.force, f.complete_to) for f in query.freshness()] == [("a", None), ("b", None)]
    store.keep_freshness([Fresh("a", "incident", 200)], 1000)
    store.keep_freshness([Fresh("a", "incident", 100)], 2000)
    first, _ = query.freshness()
    assert (first.complete_to, first.seen_at) == (200, 2000)
    store.declare_feeds([("a", "incident")])
    assert [(f.force, f.complete_to) for f in query.freshness()] == [("a", 200)]


def test_a_time_that_had_not_come_does_not_outlive_the_clock_that_was_ahead(store, query):
    store.declare_feeds([("a", "incident")])
    store.keep_freshness([Fresh("a", "incident", 5000)], 5000)
    store.keep_freshness([Fresh("a", "incident", 2000)], 2000)
    assert [f.complete_to for f in query.freshness()] == [2000]
