"""A table in a private temporary file, which the system removes with the process: memory stays flat."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from connectors.state import no_room

_CACHE_KIB = 4096


class PrivateTable:
    """Made by one statement. Raises `EnvironmentMissingError` where the disk has no room."""

    def __init__(self, create: str) -> None:
        try:
            self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            self._database.executescript(
                f"pragma journal_mode=off; pragma synchronous=off; pragma cache_size=-{_CACHE_KIB}; {create}"
            )
        except sqlite3.Error as error:
            raise no_room(error) from error

    def run(self, *changes: tuple[str, Iterable[Sequence[Any]]]) -> None:
        """Run each statement for each of its rows, all in one transaction."""
        try:
            self._database.execute("begin")
            for text, rows in changes:
                self._database.executemany(text, rows)
            self._database.execute("commit")
        except sqlite3.Error as error:
            raise no_room(error) from error

    def all(self, text: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows that a statement finds."""
        try:
            return self._database.execute(text, values).fetchall()
        except sqlite3.Error as error:
            raise no_room(error) from error

    def close(self) -> None:
        self._database.close()
