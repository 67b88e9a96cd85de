"""Writes to the store on SQLite: one file, one writer at a time, any number of readers."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random

from hub.bus.contract import TopicPartition
from hub.errors import ConfigurationError, FatalError, HubError, StoreAwayError
from hub.folders import sync_way
from hub.view.plan import Known, Plan
from hub.view.session import Database, Fresh, Kept, Move
from hub.view.tables import CURRENT, HISTORY

_PRAGMAS = (
    "PRAGMA page_size=8192",  # of a new file; an eighth less work a record than with 4096
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # invariant 8
    "PRAGMA busy_timeout=10000",
    "PRAGMA wal_autocheckpoint=2000",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA cache_size=-32768",
)


def open_sqlite(url: URL) -> Database:
    """Open the file, which is made where there is none."""
    path = str(Path(url.database or "").absolute())
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if not Path(path).exists():
            sync_way(Path(path))
    except OSError as error:
        raise ConfigurationError(
            f"The store's folder {Path(path).parent} cannot be made: {error}."
        ) from error
    file = URL.create("sqlite", database=path)
    engine = create_engine(file, connect_args={"timeout": 10}, hide_parameters=True)  # invariant 10

    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return Database(path, engine, SqliteWriter(path), lambda error: explain(error, path))


def _on_connect(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None
    _prepare(connection)
    connection.execute("PRAGMA cache_size=-4096")  # there are as many as readers at once


@retry(
    retry=retry_if_exception_type(sqlite3.OperationalError),
    wait=wait_random(0.01, 0.05),
    stop=stop_after_delay(10),
    reraise=True,
)
def _prepare(connection: sqlite3.Connection) -> None:
    """Set what every connection needs; SQLite's own waiting does not cover the turn to WAL."""
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _on_begin(connection: Connection) -> None:
    """Begin for certain: Python's driver would not before a SELECT, and each would see its own moment."""
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def explain(error: sqlite3.Error, path: str) -> HubError:
    """Name what happens next: most operational errors pass (locked, disk full), others do not."""
    if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
        return StoreAwayError(
            f"The store {path} cannot be used now: {error}. See that its disk has room and is writable."
        )
    return FatalError(f"The store {path} is damaged or not the hub's: {error}. Put back a copy, or rebuild.")


class SqliteWriter:
    """The one writing connection; `BEGIN IMMEDIATE` makes writers wait for each other."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator["SqliteSession"]:
        with self._lock:
            try:
                connection = self._open()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield SqliteSession(connection)
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                self._drop()
                raise explain(error, self._path) from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            _prepare(connection)
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        with self._lock:
            self._drop()


class SqliteSession:
    """One transaction; see `hub.view.session.Session`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._executemany = connection.executemany

    def move(self, partition: TopicPartition, move: Move) -> bool:
        cursor = self._execute(
            "UPDATE kept_offsets SET next_offset = ?, counted_to = max(counted_to, ?)"
            " WHERE topic = ? AND partition = ? AND next_offset = ?",
            (move.after, move.after, *partition, move.before),
        )
        return cursor.rowcount == 1

    def known(self, domain: str, record_ids: Sequence[str]) -> dict[str, Known]:
        rows = self._execute(
            "SELECT id, source_version, mapping_version, sort_micros, placed"
            f" FROM {CURRENT[domain].name} WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(record_ids),),
        )
        return {row[0]: Known(*row[1:]) for row in rows}

    def take_numbers(self, count: int) -> int:
        row = self._execute("UPDATE change_counter SET last = last + ? RETURNING last", (count,)).fetchone()
        return int(row[0]) - count + 1

    def write(self, domain: str, plan: Plan, applied_at: int) -> None:
        table, history = CURRENT[domain], HISTORY[domain]
        marks = ",".join("?" * len(table.c))
        updates = ", ".join(f"{name} = excluded.{name}" for name in table.c.keys()[1:])
        # Columns are named: a later release may have added some while this one still writes.
        into = f"{table.name} ({', '.join(table.c.keys())})"
        upsert = f"INSERT INTO {into} VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {updates}"
        self._executemany(upsert, plan.newest.values())
        columns = ", ".join(history.c.keys())
        insert = f"INSERT INTO {history.name} ({columns}) VALUES (?,?,?,?,?,?) ON CONFLICT DO "
        # A version replayed is the newest anew, so its number rises with its record's.
        renumber = "UPDATE SET change_number = excluded.change_number"
        self._executemany(insert + renumber, _versions(plan.newest.values(), applied_at))
        self._executemany(insert + renumber, _versions(plan.passed, applied_at))
        self._executemany(insert + "NOTHING", _versions(plan.late, applied_at, late=True))

    def count(self, counts: Mapping[tuple[str, str, str], int]) -> None:
        self._executemany(
            "INSERT INTO counts (domain, force, name, n) VALUES (?,?,?,?)"
            " ON CONFLICT DO UPDATE SET n = n + excluded.n",
            [(*key, n) for key, n in counts.items()],
        )

    def erase(self, domain: str, record_ids: Sequence[str]) -> None:
        keys = [(record_id,) for record_id in record_ids]
        for table in (CURRENT[domain], HISTORY[domain]):
            self._executemany(f"DELETE FROM {table.name} WHERE id = ?", keys)

    def keep_freshness(self, fresh: Iterable[Fresh], seen_at: int) -> None:
        self._executemany(
            "UPDATE freshness SET seen_at = ?2, complete_to = CASE WHEN complete_to > ?2 THEN ?1"
            " ELSE max(coalesce(complete_to, ?1), ?1) END WHERE force = ?3 AND domain = ?4",
            [(f.complete_to, seen_at, f.force, f.domain) for f in fresh],
        )

    def declare(self, partitions: Iterable[TopicPartition]) -> None:
        self._executemany(
            "INSERT INTO kept_offsets (topic, partition, next_offset, counted_to) VALUES (?,?,0,0)"
            " ON CONFLICT DO NOTHING",
            partitions,
        )

    def belong(self, topic_ids: Mapping[str, str]) -> None:
        self._executemany(
            "UPDATE kept_offsets SET topic_id = ?2, counted_to = iif(topic_id IS NULL, counted_to, 0)"
            " WHERE topic = ?1 AND topic_id IS NOT ?2 AND (topic_id IS NULL OR next_offset = 0)",
            topic_ids.items(),
        )

    def declare_feeds(self, feeds: Iterable[tuple[str, str]]) -> None:
        wanted = list(feeds)
        self._executemany("INSERT INTO freshness (force, domain) VALUES (?,?) ON CONFLICT DO NOTHING", wanted)
        for feed in self._execute("SELECT force, domain FROM freshness").fetchall():
            if feed not in wanted:
                self._execute("DELETE FROM freshness WHERE force = ? AND domain = ?", feed)

    def kept(self, topics: Sequence[str]) -> dict[TopicPartition, Kept]:
        rows = self._execute(
            "SELECT topic, partition, next_offset, counted_to, topic_id FROM kept_offsets"
            " WHERE topic IN (SELECT value FROM json_each(?))",
            (json.dumps(list(topics)),),
        )
        return {TopicPartition(row[0], row[1]): Kept(*row[2:]) for row in rows}

    def empty(self) -> None:
        for table in CURRENT.values():
            self._execute(f"DELETE FROM {table.name}")
        self._execute("UPDATE kept_offsets SET next_offset = 0")
        self._execute("UPDATE freshness SET complete_to = NULL, seen_at = NULL")


def _versions(rows: Iterable[tuple[Any, ...]], applied_at: int, *, late: bool = False) -> Iterator[Any]:
    """History rows of current rows: id, source and mapping version, number, instant, body."""
    if late:
        return ((r[0], r[2], r[3], None, applied_at, r[-1]) for r in rows)
    return ((r[0], r[2], r[3], r[4], applied_at, r[-1]) for r in rows)
