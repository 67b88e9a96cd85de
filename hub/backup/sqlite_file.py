"""One SQLite file: copied at one moment while others write to it, and put back."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

from hub.errors import ConfigurationError, FatalError, TransientError
from hub.folders import sync_way

Guard = Callable[[], AbstractContextManager[object]]
"""Held while a connection opens and closes: the last one to close writes."""


def copy(source: Path, target: Path, guard: Guard = nullcontext) -> None:
    """Copy a file as it is at one moment. Writers need not wait, and what they write later is left out."""
    if not source.exists():
        raise ConfigurationError(f"There is no {source} to back up; name what the hub runs on.")
    with guard():
        connection = sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=30)
    try:
        with closing(sqlite3.connect(target)) as copied:
            connection.backup(copied)  # in one step, so of one moment
            copied.execute("PRAGMA journal_mode=DELETE")  # all of it in this one file
            _check(copied, target)
    except sqlite3.Error as error:
        raise TransientError(f"{source} cannot be copied to {target} now: {error}.") from error
    finally:
        with guard():
            connection.close()


def put_back(
    piece: Path, target: Path, change: str | None = None, *, overwrite: bool, guard: Guard = nullcontext
) -> None:
    """Put a copy where it belongs, whole or not at all, after running `change` in it.

    What is there is refused, or moved aside where `overwrite` says so; never while it is in use.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with guard():
        _make_room(target, overwrite=overwrite)
    sync_way(target)
    coming = target.with_name(f"{target.name}.restoring")
    shutil.copyfile(piece, coming)
    try:
        with closing(sqlite3.connect(coming, isolation_level=None)) as connection:
            _check(connection, piece)
            connection.execute("PRAGMA synchronous=FULL")
            if change is not None:
                connection.execute(change)
            connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.Error as error:
        raise FatalError(f"{piece} cannot be put back: {error}.") from error
    with coming.open("rb") as opened:
        os.fsync(opened.fileno())
    coming.rename(target)
    sync_way(target)


def refuse_present(target: Path, *, overwrite: bool) -> None:
    """`ConfigurationError` where something is there and may not be moved aside."""
    if any(file.exists() for file in _files(target)) and not overwrite:
        raise ConfigurationError(
            f"{target} is there already. Move it away, or say --overwrite to have it moved aside."
        )


def _make_room(target: Path, *, overwrite: bool) -> None:
    refuse_present(target, overwrite=overwrite)
    if target.exists():
        _refuse_in_use(target)
    ending = time.strftime("replaced-%Y%m%dT%H%M%S", time.gmtime())
    for file in _files(target):  # a log that stayed would be taken for the new file's own
        if file.exists():
            file.rename(file.with_name(f"{file.name}.{ending}"))


def _files(target: Path) -> list[Path]:
    return [target, *(target.with_name(f"{target.name}-{more}") for more in ("wal", "shm", "journal"))]


def _refuse_in_use(target: Path) -> None:
    """Turn the file's log off, which only its sole user can; a damaged one has none who could use it."""
    try:
        with closing(sqlite3.connect(target, timeout=2, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.OperationalError as error:
        raise ConfigurationError(f"{target} is in use ({error}); stop the hub before restoring.") from error
    except sqlite3.DatabaseError:
        return


def _check(connection: sqlite3.Connection, file: Path) -> None:
    ((found,), *_) = connection.execute("PRAGMA quick_check(1)").fetchall()
    if found != "ok":
        raise FatalError(f"{file} is damaged: {found}.")
