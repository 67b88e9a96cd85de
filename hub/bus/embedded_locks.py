"""Locks on files beside the embedded bus. The system drops them when their process dies."""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from hub.errors import FencedError, TransientError

WRITE_SECONDS = 30.0
CLOSE_SECONDS = 0.5
"""How long closing waits for a lock: whoever holds it for longer may be a process that stands still."""

_PAUSE_SECONDS = 0.0005
_LOOKS = 3
_LOOK_SECONDS = 0.02


class FileLock:
    """One holder over all threads and processes of this machine."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def try_take(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def drop(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def write(self, text: str) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode(), 0)

    def read(self) -> str:
        return os.pread(self._file, 1000, 0).decode("utf-8", "replace")

    def close(self) -> None:
        os.close(self._file)


class WriteLock:
    """Held while anything is written or checkpointed, by one connection of one process at a time.

    SQLite has a lock of its own, but waits for it in ever longer sleeps, and a write that meets
    a checkpoint of another connection has corrupted files ("WAL-reset bug", before 3.51.3).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path)
        self._threads = threading.Lock()  # a file lock keeps other processes out, not our own threads

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        with self._threads:
            if not self._take(WRITE_SECONDS):
                raise TransientError(
                    f"another process has held {self._path} for {WRITE_SECONDS:.0f} s; is it stopped?"
                )
            try:
                yield
            finally:
                self._lock.drop()

    @contextlib.contextmanager
    def to_close(self) -> Iterator[None]:
        """Held if it can be had soon.

        The last connection to close empties the log into the file: a write like any other. Who holds
        the lock for longer has a connection open, so that ours is not the last.
        """
        threads = self._threads.acquire(timeout=CLOSE_SECONDS)
        taken = threads and self._take(CLOSE_SECONDS)
        try:
            yield
        finally:
            if taken:
                self._lock.drop()
            if threads:
                self._threads.release()

    def _take(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self._lock.try_take():
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE_SECONDS)
        return True

    def close(self) -> None:
        if self._threads.acquire(timeout=CLOSE_SECONDS):  # else a thread of ours still asks for it
            self._lock.close()


def _taken(lock: FileLock) -> bool:
    """Try, with a pause where somebody has it: they may only be looking whether anybody has."""
    taken = lock.try_take()
    if not taken:
        time.sleep(_LOOK_SECONDS)
    return taken


def member_lock(folder: Path, group: str) -> FileLock:
    return FileLock(folder / f"group-{quote(group, safe='')}")


def take_membership(folder: Path, group: str, instance: str | None) -> FileLock:
    """Become the one member of a group, or raise `FencedError` naming who is."""
    lock = member_lock(folder, group)
    if not any(_taken(lock) for _ in range(_LOOKS)):
        holder = lock.read()
        lock.close()
        raise FencedError(
            f"group '{group}' already has its member ({holder}), and the embedded bus allows one; "
            "stop that one first, or use a Kafka bus for several."
        )
    lock.write(f"process {os.getpid()}" + (f", instance {instance}" if instance else ""))
    return lock
