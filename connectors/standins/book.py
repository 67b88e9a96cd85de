"""The truth book: every truth record of the stand-ins, kept in one SQLite file of their folder."""

import datetime as dt
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

from connectors.standins.truth import Truth, TruthPerson, domain_of, from_json, to_json

_TABLES = """
create table if not exists truth
    (id text primary key, force text, domain text, open integer, body text) without rowid;
create index if not exists truth_open on truth (force, domain, open);
create table if not exists numbers (force text, day text, n integer, primary key (force, day));
create table if not exists loaded (name text primary key, rows integer);
"""


class TruthBook:
    """Keeps the newest truth of each record by record id; safe to use from several threads."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=off")
        self._db.executescript(_TABLES)

    def put(self, records: Iterable[tuple[str, Truth]]) -> None:
        rows = [
            (record_id, truth.force, domain_of(truth), _is_open(truth), to_json(truth))
            for record_id, truth in records
        ]
        with self._lock:
            self._db.execute("begin")
            self._db.executemany("insert or replace into truth values (?, ?, ?, ?, ?)", rows)
            self._db.execute("commit")

    def get(self, record_id: str) -> Truth:
        """Raise `KeyError` where no stand-in ever held that record."""
        with self._lock:
            row = self._db.execute("select domain, body from truth where id = ?", (record_id,)).fetchone()
        if row is None:
            raise KeyError(record_id)
        return from_json(*row)

    def all(self) -> dict[str, Truth]:
        with self._lock:
            rows = self._db.execute("select id, domain, body from truth").fetchall()
        return {record_id: from_json(domain, body) for record_id, domain, body in rows}

    def still_open(self, force: str, domain: str) -> list[str]:
        """Ids of a force's incidents not closed, or people not gone."""
        with self._lock:
            rows = self._db.execute(
                "select id from truth where force = ? and domain = ? and open order by id", (force, domain)
            )
            return [record_id for (record_id,) in rows]

    def number(self, force: str, day: dt.date, count: int = 1) -> int:
        """Take the next `count` numbers of a day's sequence; return the first."""
        with self._lock:
            (n,) = self._db.execute(
                "insert into numbers values (?, ?, ?)"
                " on conflict (force, day) do update set n = n + excluded.n returning n",
                (force, day.isoformat(), count),
            ).fetchone()
        return int(n) - count + 1

    def newest_date(self, force: str) -> dt.date | None:
        """The newest day for which a number was ever taken."""
        with self._lock:
            (day,) = self._db.execute("select max(day) from numbers where force = ?", (force,)).fetchone()
        return dt.date.fromisoformat(day) if day else None

    def was_loaded(self, name: str) -> bool:
        with self._lock:
            return self._db.execute("select 1 from loaded where name = ?", (name,)).fetchone() is not None

    def loaded(self, name: str, rows: int) -> None:
        with self._lock:
            self._db.execute("insert into loaded values (?, ?)", (name, rows))

    def close(self) -> None:
        with self._lock:
            self._db.close()


def _is_open(truth: Truth) -> bool:
    if isinstance(truth, TruthPerson):
        return not truth.deleted and truth.employment == "EMPLOYED"
    return not truth.deleted and truth.status not in {"CLOSED", "CANCELLED"}
