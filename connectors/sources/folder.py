"""A folder that drops arrive in, on this machine or over SFTP: list, look and open to read, nothing else."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from hub.errors import EnvironmentMissingError, TransientError

Wanted = Callable[[str], object]


class Look(NamedTuple):
    """What a file looked like; another look that is equal means the same content."""

    size: int
    modified: int


class Folder(Protocol):
    """Where drops are listed and read. Never writes (invariant 9).

    `look` and `open` raise FileNotFoundError for a file that is gone; whatever may mend
    by itself is a TransientError.
    """

    def list(self, wanted: Wanted) -> tuple[dict[str, Look], set[str]]:
        """The wanted files by name, with their looks, and the names of all others."""
        ...

    def look(self, name: str) -> Look: ...

    def open(self, name: str) -> BinaryIO: ...

    def close(self) -> None: ...


class LocalFolder:
    """A folder on this machine or on a mounted disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        return self._path

    def list(self, wanted: Wanted) -> tuple[dict[str, Look], set[str]]:
        looks: dict[str, Look] = {}
        others: set[str] = set()
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    if not wanted(entry.name):
                        others.add(entry.name)
                    elif (look := _look(entry)) is not None:
                        looks[entry.name] = look
        except PermissionError as error:
            raise EnvironmentMissingError(
                f"Folder '{self._path}': not allowed to list it; grant this user read and execute on it."
            ) from error
        except OSError as error:
            raise TransientError(
                f"Folder '{self._path}' cannot be listed: {error.strerror}; "
                "check that it exists and is mounted, or correct `location`."
            ) from error
        return looks, others

    def look(self, name: str) -> Look:
        status = (self._path / name).stat()
        return Look(status.st_size, status.st_mtime_ns)

    def open(self, name: str) -> BinaryIO:
        return (self._path / name).open("rb")

    def close(self) -> None:
        pass


def _look(entry: os.DirEntry[str]) -> Look | None:
    try:
        status = entry.stat()
    except FileNotFoundError:
        return None
    return Look(status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
