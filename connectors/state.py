"""What was last published of each key: version, content hash, whether it is deleted.

The event topic is that state: it is compacted and never expires, so a starting connector
reads it back, after it has fenced its predecessor. It is held in a private temporary
SQLite file, which the system removes with the process, so that memory stays flat whatever
the number of records.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hub.errors import EnvironmentMissingError

_TABLES = """
create table known (
    key text primary key, version integer not null, hash blob not null,
    deleted integer not null, seen integer not null default 0
) without rowid;
create table dead (id blob primary key) without rowid;
"""
_MOST_VARIABLES = 500
_CACHE_KIB = 4_096


class Known(NamedTuple):
    """The newest version published of a key."""

    version: int
    hash: bytes
    deleted: bool


class State:
    """One connector's state. Changes since `keep` are dropped by `drop`.

    While a snapshot is under way every key that is read is marked as seen in it.
    """

    def __init__(self) -> None:
        try:
            self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            self._database.executescript(
                "pragma journal_mode=memory; "
                f"pragma synchronous=off; pragma cache_size=-{_CACHE_KIB}; {_TABLES}"
            )
        except sqlite3.Error as error:
            raise no_room(error) from error
        self._execute("begin")
        self._snapshot: str | None = None
        self._serial = 0

    def load(self, events: Iterable[tuple[str, Known | None]], dead: Iterable[bytes]) -> None:
        """Take over what the bus holds: the newest version of each key; None forgets an erased one."""
        for key, known in events:
            if known is None:
                self._execute("delete from known where key = ?", (key,))
            else:
                self._execute(
                    "insert into known (key, version, hash, deleted) values (?, ?, ?, ?) "
                    "on conflict do update set version = excluded.version, hash = excluded.hash, "
                    "deleted = excluded.deleted where excluded.version >= version",
                    (key, *known),
                )
        self._execute_many("insert or ignore into dead values (?)", ((each,) for each in dead))
        self.keep()

    def lookup(self, keys: Sequence[str]) -> dict[str, Known]:
        """The known ones among these keys."""
        found: dict[str, Known] = {}
        for chunk in _chunks(keys):
            rows = self._execute(
                f"select key, version, hash, deleted from known where key in ({_marks(chunk)})", chunk
            )
            found.update((key, Known(version, digest, bool(gone))) for key, version, digest, gone in rows)
        return found

    def put(self, changed: Mapping[str, Known]) -> None:
        """Take in what is being published."""
        self._execute_many(
            "insert into known (key, version, hash, deleted, seen) values (?, ?, ?, ?, ?) "
            "on conflict do update set version = excluded.version, hash = excluded.hash, "
            "deleted = excluded.deleted, seen = excluded.seen",
            [(key, *known, self._serial) for key, known in changed.items()],
        )

    def bury(self, ids: Sequence[bytes]) -> list[bytes]:
        """Take in dead letters; returns those not set aside before."""
        insert = "insert or ignore into dead values (?)"
        return [each for each in ids if self._execute(insert, (each,)).rowcount]

    def in_snapshot(self, name: str | None) -> None:
        """Say which snapshot the rows read now belong to; another name begins a new one."""
        if name is not None and name != self._snapshot:
            self._snapshot = name
            self._serial += 1

    @property
    def in_a_snapshot(self) -> bool:
        return self._snapshot is not None

    def end_snapshot(self) -> None:
        self._snapshot = None

    def seen(self, keys: Sequence[str]) -> set[str]:
        """Those of these keys that the snapshot under way has held already."""
        if self._snapshot is None:
            return set()
        found: set[str] = set()
        for chunk in _chunks(keys):
            rows = self._execute(
                f"select key from known where seen = {self._serial} and key in ({_marks(chunk)})", chunk
            )
            found.update(key for (key,) in rows)
        return found

    def see(self, keys: Sequence[str]) -> None:
        """Mark keys as read in the snapshot under way, if there is one."""
        if self._snapshot is None:
            return
        for chunk in _chunks(keys):
            self._execute(f"update known set seen = {self._serial} where key in ({_marks(chunk)})", chunk)

    def unseen(self, limit: int) -> list[tuple[str, Known]]:
        """Live keys that the snapshot under way did not hold."""
        rows = self._execute(
            "select key, version, hash from known where deleted = 0 and seen <> ? limit ?",
            (self._serial, limit),
        )
        return [(key, Known(version, digest, False)) for key, version, digest in rows]

    def count_unseen(self) -> tuple[int, int]:
        """How many live keys the snapshot under way did not hold, and how many are live in all."""
        row = self._execute(
            "select coalesce(sum(seen <> ?), 0), count(*) from known where deleted = 0", (self._serial,)
        ).fetchone()
        return int(row[0]), int(row[1])

    def keep(self) -> None:
        self._execute("commit")
        self._execute("begin")

    def drop(self) -> None:
        self._execute("rollback")
        self._execute("begin")

    def close(self) -> None:
        self._database.close()

    def _execute(self, text: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._database.execute(text, values)
        except sqlite3.Error as error:
            raise no_room(error) from error

    def _execute_many(self, text: str, values: Iterable[Sequence[Any]]) -> None:
        try:
            self._database.executemany(text, values)
        except sqlite3.Error as error:
            raise no_room(error) from error


def no_room(error: sqlite3.Error) -> EnvironmentMissingError:
    """What a temporary file that cannot be written means."""
    return EnvironmentMissingError(
        f"The connector's temporary file cannot be written: {error}. Free space in the folder for temporary "
        "files, or name another in TMPDIR."
    )


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _MOST_VARIABLES):
        yield keys[start : start + _MOST_VARIABLES]


def _marks(chunk: Sequence[str]) -> str:
    return ",".join("?" * len(chunk))
