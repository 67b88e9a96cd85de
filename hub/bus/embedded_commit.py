"""Group commit: whoever waits to write is written in one SQLite transaction, with one fsync."""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hub.bus.embedded_file import BUSY_SECONDS, WAL_LIMIT_BYTES, connect, translated
from hub.bus.embedded_locks import CLOSE_SECONDS, WriteLock
from hub.errors import FatalError, HubError
from hub.kill_points import reached

_CHECKPOINT_MILLISECONDS = 100
_CHECKPOINT_EVERY_SECONDS = 1.0

Work = Callable[[sqlite3.Connection], None]


class _Job:
    __slots__ = ("done", "error", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.done = False
        self.error: HubError | None = None


class Commits:
    """Runs pieces of work, each whole or not at all, and returns when they are durable (invariant 8)."""

    def __init__(
        self, path: Path, lock: WriteLock, changed: Callable[[], None], limit_mb: int | None
    ) -> None:
        self._path = path
        self._wal = Path(f"{path}-wal")
        self._lock = lock
        self._changed = changed
        self._leading = threading.Lock()
        self._arriving = threading.Lock()
        self._waiting: list[_Job] = []
        self._closed = False
        self._empty_after = 0.0
        with lock.held():
            self._connection = connect(path, limit_mb=limit_mb)

    def run(self, work: Work) -> None:
        """Do `work` in a transaction. An error it raises undoes its own part and is raised here."""
        job = _Job(work)
        with self._arriving:
            self._waiting.append(job)
        with self._leading:
            if not job.done:
                self._lead()
        if job.error is not None:
            raise job.error

    def _lead(self) -> None:
        with self._arriving:
            jobs, self._waiting = self._waiting, []
        try:
            self._refuse_closed()
            with self._lock.held():
                self._write(jobs)
                self._bound_wal()
        except sqlite3.Error as error:
            _fail(jobs, translated(error, self._path))
        except HubError as error:
            _fail(jobs, error)
        finally:
            _fail(jobs, FatalError("the commit was interrupted."))
        self._changed()

    def _write(self, jobs: list[_Job]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for job in jobs:
                _attempt(connection, job)
            reached(8, "embedded.commit:before")
            connection.execute("COMMIT")
            reached(8, "embedded.commit:after")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        for job in jobs:
            job.done = True

    def _bound_wal(self) -> None:
        """Empty the log where slow readers have let it grow; if one still reads, a later commit will."""
        if self._wal.stat().st_size > 2 * WAL_LIMIT_BYTES and time.monotonic() > self._empty_after:
            self._empty_after = time.monotonic() + _CHECKPOINT_EVERY_SECONDS
            self._connection.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_MILLISECONDS}")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")

    def _refuse_closed(self) -> None:
        if self._closed:
            raise FatalError(f"bus {self._path} is closed.")

    def close(self) -> None:
        """Write no more. Where a write waits for a process that stands still, it is left behind."""
        leads = self._leading.acquire(timeout=CLOSE_SECONDS)
        self._closed = True
        if leads:
            with self._lock.to_close():
                self._connection.close()
            self._leading.release()


def _attempt(connection: sqlite3.Connection, job: _Job) -> None:
    connection.execute("SAVEPOINT job")
    try:
        job.work(connection)
    except HubError as error:
        job.error = error
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")


def _fail(jobs: list[_Job], error: HubError) -> None:
    """Give those not done an error each of their own: they are raised in several threads."""
    for job in jobs:
        if not job.done:
            job.error = type(error)(str(error))
            job.done = True
