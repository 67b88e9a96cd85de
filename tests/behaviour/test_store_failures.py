"""A store that fails for a while keeps nothing by halves, holds up nobody else, and mends by itself."""

import threading
from typing import Any

import pytest
from sqlalchemy import make_url, text

from hub.bus.contract import TopicPartition
from hub.errors import TransientError
from hub.view.query import Query
from hub.view.store import open_store
from tests.faults.network import Network
from tests.stores import TP, engine_on, keys, put, put_records
from tests.view_records import JsonCodec, batch, incident
from tests.waiting import wait_until

OTHER = TopicPartition("alliance.incident.v1", 1)


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
    store, somebody = open_store(postgres_schema_url), engine_on(postgres_schema_url)
    with somebody.begin() as connection:
        connection.execute(text("LOCK TABLE kept_offsets IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(TransientError, match="held by another session"):
            put_records(store, "incident", incident("1"))
    put_records(store, "incident", incident("1"))
    somebody.dispose()
    store.close()


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
