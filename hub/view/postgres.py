"""Writes to the store on PostgreSQL: several views may write, each with partitions of its own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import psycopg
from sqlalchemy import URL, BigInteger, Boolean, Double, Integer, LargeBinary, Text, create_engine, event

from hub.bus.contract import TopicPartition
from hub.errors import TransientError
from hub.view.plan import Known, Plan
from hub.view.postgres_connect import (
    LET_GO_OF_LOCKS,
    NOTICE_A_DEAD_SERVER,
    cut,
    cut_when_disposed,
    explain,
    prepare,
)
from hub.view.session import Database, Fresh, Kept, Move
from hub.view.tables import CURRENT, HISTORY

CLOSE_SECONDS = 2.0
"""How long closing waits for the transaction under way."""

_COUNT = (
    "INSERT INTO counts (domain, force, name, n) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (domain, force, name) DO UPDATE SET n = counts.n + excluded.n"
)


def open_postgres(url: URL) -> Database:
    name = url.set(drivername="postgresql").render_as_string()
    url = url.update_query_dict({**NOTICE_A_DEAD_SERVER, **url.query})
    isolation = "REPEATABLE READ"
    engine = create_engine(url, pool_pre_ping=True, isolation_level=isolation, hide_parameters=True)
    event.listen(engine, "connect", lambda connection, _: prepare(connection))
    cut_when_disposed(engine)
    _, options = engine.dialect.create_connect_args(url)
    return Database(name, engine, PostgresWriter(options, name), lambda error: explain(error, name))


class PostgresWriter:
    """The one writing connection of this process, opened anew after it broke."""

    def __init__(self, options: Mapping[str, Any], name: str) -> None:
        self._options = options
        self._name = name
        self._lock = Lock()
        self._connection: psycopg.Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator["PostgresSession"]:
        with self._lock:
            try:
                connection = self._open()
                with connection.transaction():
                    yield PostgresSession(connection)
            except psycopg.Error as error:
                self._drop()
                raise explain(error, self._name) from error

    def _open(self) -> psycopg.Connection:
        if self._connection is None:
            connection = psycopg.connect(**self._options, autocommit=True)
            self._connection = connection
            prepare(connection)
            connection.execute(LET_GO_OF_LOCKS)
            for name in CURRENT:
                connection.execute(_make_incoming(name))
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Let go, also of a server that does not answer: who waits for it is told so."""
        connection = self._connection
        if self._lock.acquire(timeout=CLOSE_SECONDS):
            self._drop()
            self._lock.release()
        elif connection is not None:
            cut(connection)


class PostgresSession:
    """One transaction; see `hub.view.session.Session`."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._written: set[str] = set()

    def move(self, partition: TopicPartition, move: Move) -> bool:
        cursor = self._execute(
            "UPDATE kept_offsets SET next_offset = %s, counted_to = greatest(counted_to, %s)"
            " WHERE topic = %s AND partition = %s AND next_offset = %s",
            (move.after, move.after, *partition, move.before),
        )
        return cursor.rowcount == 1

    def known(self, domain: str, record_ids: Sequence[str]) -> dict[str, Known]:
        cursor = self._execute(
            "SELECT id, source_version, mapping_version, sort_micros, placed"
            f" FROM {CURRENT[domain].name} WHERE id = ANY(%b)",
            (record_ids,),
            binary=True,
        )
        return {row[0]: Known(*row[1:]) for row in cursor}

    def take_numbers(self, count: int) -> int:
        row = self._execute("UPDATE change_counter SET last = last + %s RETURNING last", (count,)).fetchone()
        assert row is not None
        return int(row[0]) - count + 1

    def write(self, domain: str, plan: Plan, applied_at: int) -> None:
        """Copy the rows to a temporary table, and from there to where they belong, in two statements."""
        copy_in, upsert, keep, keep_late = _STATEMENTS[domain]
        if domain in self._written:
            self._execute(f"TRUNCATE incoming_{CURRENT[domain].name}")
        self._written.add(domain)
        with self._connection.cursor().copy(copy_in) as copy:
            copy.set_types(_TYPE_NAMES[domain])
            for row in plan.newest.values():
                copy.write_row((True, *row))
            for row in plan.passed:
                copy.write_row((False, *row))
            for row in plan.late:
                copy.write_row((None, *row))
        if self._execute(upsert).rowcount != len(plan.newest):
            raise TransientError(
                f"Another view wrote records of {domain} meanwhile; their versions are read anew."
            )
        self._execute(keep, (applied_at,))
        if plan.late:
            self._execute(keep_late, (applied_at,))

    def count(self, counts: Mapping[tuple[str, str, str], int]) -> None:
        for key in sorted(counts):
            self._execute(_COUNT, (*key, counts[key]))

    def erase(self, domain: str, record_ids: Sequence[str]) -> None:
        for table in (CURRENT[domain], HISTORY[domain]):
            self._execute(f"DELETE FROM {table.name} WHERE id = ANY(%s)", (list(record_ids),))

    def keep_freshness(self, fresh: Iterable[Fresh], seen_at: int) -> None:
        for force, domain, complete_to in sorted(fresh):
            self._execute(
                "UPDATE freshness SET seen_at = %s, complete_to = CASE WHEN complete_to > %s THEN %s"
                " ELSE greatest(complete_to, %s) END WHERE force = %s AND domain = %s",
                (seen_at, seen_at, complete_to, complete_to, force, domain),
            )

    def declare(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            self._execute(
                "INSERT INTO kept_offsets (topic, partition, next_offset, counted_to)"
                " VALUES (%s, %s, 0, 0) ON CONFLICT DO NOTHING",
                partition,
            )

    def belong(self, topic_ids: Mapping[str, str]) -> None:
        for topic in sorted(topic_ids):
            self._execute(
                "UPDATE kept_offsets SET topic_id = %(id)s,"
                " counted_to = CASE WHEN topic_id IS NULL THEN counted_to ELSE 0 END"
                " WHERE topic = %(topic)s AND topic_id IS DISTINCT FROM %(id)s"
                " AND (topic_id IS NULL OR next_offset = 0)",
                {"topic": topic, "id": topic_ids[topic]},
            )

    def declare_feeds(self, feeds: Iterable[tuple[str, str]]) -> None:
        wanted = list(feeds)
        for feed in wanted:
            self._execute(
                "INSERT INTO freshness (force, domain) VALUES (%s, %s) ON CONFLICT DO NOTHING", feed
            )
        for feed in self._execute("SELECT force, domain FROM freshness ORDER BY 1, 2").fetchall():
            if feed not in wanted:
                self._execute("DELETE FROM freshness WHERE force = %s AND domain = %s", feed)

    def kept(self, topics: Sequence[str]) -> dict[TopicPartition, Kept]:
        rows = self._execute(
            "SELECT topic, partition, next_offset, counted_to, topic_id FROM kept_offsets"
            " WHERE topic = ANY(%s)",
            (list(topics),),
        )
        return {TopicPartition(row[0], row[1]): Kept(*row[2:]) for row in rows}

    def empty(self) -> None:
        # In the order in which a view that still writes locks, which is waited for.
        self._execute("SELECT 1 FROM kept_offsets ORDER BY topic, partition FOR UPDATE")
        self._execute("SELECT 1 FROM change_counter FOR UPDATE")
        self._execute(f"TRUNCATE {', '.join(table.name for table in CURRENT.values())}")
        self._execute("UPDATE kept_offsets SET next_offset = 0")
        self._execute("UPDATE freshness SET complete_to = NULL, seen_at = NULL")


def _make_incoming(domain: str) -> str:
    """Make the temporary table of this connection: a current row, and whether it is the newest."""
    table = CURRENT[domain]
    # Columns are named: a later release may have added some while this one still writes.
    return (
        f"CREATE TEMPORARY TABLE incoming_{table.name} ON COMMIT DELETE ROWS"
        f" AS SELECT NULL::bool AS newest, {', '.join(table.c.keys())} FROM {table.name} WITH NO DATA"
    )


def _statements(domain: str) -> tuple[str, str, str, str]:
    """Copy in; write the current table; write the history; write versions that came late."""
    table = CURRENT[domain]
    history = f"{HISTORY[domain].name} ({', '.join(HISTORY[domain].c.keys())})"
    columns = ", ".join(table.c.keys())
    updates = ", ".join(f"{name} = excluded.{name}" for name in table.c.keys()[1:])
    incoming = f"incoming_{table.name}"
    upsert = (
        f"INSERT INTO {table.name} AS kept ({columns}) SELECT {columns} FROM {incoming} WHERE newest"
        f" ON CONFLICT (id) DO UPDATE SET {updates}"
        " WHERE (kept.source_version, kept.mapping_version)"
        " < (excluded.source_version, excluded.mapping_version)"  # invariant 4
    )
    keep = f"INSERT INTO {history} SELECT id, source_version, mapping_version, {{}}, %s, body FROM {incoming}"
    # A version replayed is the newest anew, so its number rises with its record's.
    renumber = (
        " WHERE newest IS NOT NULL ON CONFLICT (id, source_version, mapping_version)"
        " DO UPDATE SET change_number = excluded.change_number"
    )
    return (
        f"COPY {incoming} FROM STDIN (FORMAT BINARY)",
        upsert,
        keep.format("change_number") + renumber,
        keep.format("NULL::int8") + " WHERE newest IS NULL ON CONFLICT DO NOTHING",
    )


_NAMES = {
    Text: "text",
    BigInteger: "int8",
    Integer: "int4",
    Double: "float8",
    Boolean: "bool",
    LargeBinary: "bytea",
}
_STATEMENTS = {name: _statements(name) for name in CURRENT}
_TYPE_NAMES = {name: ["bool", *(_NAMES[type(c.type)] for c in table.c)] for name, table in CURRENT.items()}
