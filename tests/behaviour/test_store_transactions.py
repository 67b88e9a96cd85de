"""Records, history, counts and offsets are kept together or not at all, and change numbers hold."""

import multiprocessing
import threading
import time
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from hub.bus.contract import TopicPartition
from hub.errors import ConfigurationError, FatalError, FencedError, TransientError
from hub.view.plan import make_plan
from hub.view.query import Query
from hub.view.session import Fresh, Move
from hub.view.store import open_store
from tests.faults.network import Network
from tests.stores import TP, keys, put, put_records
from tests.view_records import T0, JsonCodec, batch, incident, staff
from tests.waiting import wait_until

OTHER = TopicPartition("alliance.incident.v1", 1)


def test_a_batch_is_kept_with_its_offset_and_read_on_from_there_after_reopening(store_url):
    store = open_store(store_url)
    put_records(store, "incident", incident("1"), incident("2"))
    store.close()
    store = open_store(store_url)
    assert store.kept([TP.topic])[TP].next_offset == 2
    assert keys(Query(store, JsonCodec()).list_records("incident")) == ["2", "1"]
    store.close()


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


def _until_waiting(url):
    """Wait until a session of the database waits for a lock."""
    deadline = time.monotonic() + 30
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
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


def test_a_store_of_a_newer_hub_is_refused(store_url):
    open_store(store_url).close()
    _change(store_url, "UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(ConfigurationError, match=r"revision 0999, newer than .* of this hub"):
        open_store(store_url)


def test_a_store_whose_tables_differ_is_refused_by_name(store_url):
    open_store(store_url).close()
    _change(store_url, "ALTER TABLE staff DROP COLUMN duty")
    with pytest.raises(ConfigurationError, match="table 'staff' differs from this hub's in duty"):
        open_store(store_url)


def _change(url, statement):
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_two_processes_that_start_at_once_make_the_tables_once(store_url):
    opened = []
    threads = [threading.Thread(target=lambda: opened.append(open_store(store_url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(opened) == 4
    assert Query(opened[0], JsonCodec()).last_change() == 0
    for each in opened:
        each.close()


@pytest.mark.parametrize("url", ["", "nonsense", "sqlite://", "mysql://localhost/hub", "redis:///x"])
def test_another_url_is_refused_with_the_forms_that_are_known(url):
    with pytest.raises(ConfigurationError, match=r"sqlite:///PATH or postgresql://"):
        open_store(url)


def test_the_password_is_in_no_message():
    with pytest.raises(TransientError) as told:
        open_store("postgresql://hub:secret-word@127.0.0.1:1/hub")
    assert "secret-word" not in str(told.value)
    assert "127.0.0.1:1" in str(told.value)


@pytest.mark.postgres
@pytest.mark.parametrize(("right", "wrong"), [("/postgres", "/nothere"), ("hub@", "nobody@")])
def test_a_database_or_user_that_is_not_there_is_for_a_person_to_mend(postgres_server, right, wrong):
    with pytest.raises(ConfigurationError, match=r"does not exist.* Mend its URL or make it"):
        open_store(postgres_server.url().replace(right, wrong))


def test_a_file_that_is_no_store_is_refused(tmp_path):
    file = tmp_path / "store.db"
    file.write_bytes(b"a letter to the chief constable, and not a database" * 100)
    with pytest.raises(FatalError, match=r"store\.db is damaged or not the hub's"):
        open_store(f"sqlite:///{file}")
    assert file.read_bytes().startswith(b"a letter")


def test_a_full_disk_keeps_nothing_of_the_batch_and_passes_once_there_is_room(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    query = Query(store, JsonCodec())
    put_records(store, "incident", incident("1"))
    writer: Any = store._writer
    writing = writer._open()
    writing.execute(f"PRAGMA max_page_count = {writing.execute('PRAGMA page_count').fetchone()[0] + 2}")
    with pytest.raises(TransientError, match="See that its disk has room"):
        put_records(store, "incident", *(incident(f"more-{n}") for n in range(200)))
    assert keys(query.list_records("incident")) == ["1"]
    put_records(store, "incident", incident("2"))  # the connection is new, and so is its limit
    assert store.kept([TP.topic])[TP].next_offset == 2
    store.close()


@pytest.mark.postgres
def test_a_database_that_went_away_is_a_passing_failure_and_mends_itself(postgres_server):
    database = postgres_server.create()
    store = open_store(postgres_server.url(database))
    put_records(store, "incident", incident("1"))
    postgres_server.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    )
    with pytest.raises(TransientError):
        put_records(store, "incident", incident("2"))
    put_records(store, "incident", incident("3"))
    assert store.kept([TP.topic])[TP].next_offset == 2
    assert keys(Query(store, JsonCodec()).list_records("incident")) == ["3", "1"]
    store.close()
    postgres_server.drop(database)


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


@pytest.mark.postgres
def test_a_view_that_stands_still_in_a_transaction_lets_the_others_go_on(
    postgres_schema_url, monkeypatch: pytest.MonkeyPatch
):
    setting = "SET idle_in_transaction_session_timeout = '200ms'"
    monkeypatch.setattr("hub.view.postgres.LET_GO_OF_LOCKS", setting)
    frozen, other = open_store(postgres_schema_url), open_store(postgres_schema_url)

    def stand_still():
        with frozen._writer.transaction() as session:
            session.take_numbers(1)  # locked until the end, which does not come
            put_records(other, "incident", incident("1"))

    with pytest.raises(TransientError):
        stand_still()
    put(frozen, batch("incident", incident("2")), partition=OTHER)
    assert keys(Query(other, JsonCodec()).list_records("incident")) == ["2", "1"]
    frozen.close()
    other.close()


@pytest.mark.postgres
def test_a_store_that_another_session_holds_is_told_and_tried_again(
    postgres_schema_url, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hub.view.postgres_connect._WAIT_NO_LONGER", ("SET lock_timeout = '100ms'",))
    store, somebody = open_store(postgres_schema_url), create_engine(_with_psycopg(postgres_schema_url))
    with somebody.begin() as connection:
        connection.execute(text("LOCK TABLE kept_offsets IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(TransientError, match="held by another session"):
            put_records(store, "incident", incident("1"))
    put_records(store, "incident", incident("1"))
    somebody.dispose()
    store.close()


def _with_psycopg(url):
    return url.replace("postgresql:", "postgresql+psycopg:")


@pytest.mark.postgres
def test_a_store_whose_server_stands_still_is_closed_and_who_waits_for_it_is_told(
    postgres_server, monkeypatch
):
    monkeypatch.setattr("hub.view.postgres.CLOSE_SECONDS", 0.1)
    server = make_url(postgres_server.url(postgres_server.create()))
    assert server.port is not None
    line = Network(server.port)
    there = server.set(host="127.0.0.1", port=line.port)
    store = open_store(there.render_as_string(hide_password=False))
    query, told = Query(store, JsonCodec()), []
    store.declare([TP])

    def ask(question):
        try:
            question()
        except TransientError as error:
            told.append(error)

    questions = (query.counts, query.last_change, lambda: store.kept([TP.topic]))
    asking = [threading.Thread(target=ask, args=(question,)) for question in questions]
    with store.reading(), store.reading():
        pass  # so that both readers have a connection
    line.swallow()
    for thread in asking:
        thread.start()
    engine: Any = store._engine
    writer: Any = store._writer
    wait_until(lambda: engine.pool.checkedout() == 2 and writer._lock.locked())
    store.close()
    for thread in asking:
        thread.join()
    line.heal()
    line.close()
    assert len(told) == len(asking)
