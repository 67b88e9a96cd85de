"""One table or view of a legacy database, opened to read and nothing else (invariant 9).

SQLite files are opened read-only and PostgreSQL sessions are made so; whatever the dialect,
the hub issues SELECT alone, for the columns that are named and no others.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from connectors.sources.sql_engine import open_engine
from hub.errors import ConfigurationError, SourceChangedError, TransientError

Raw = tuple[Any, ...]


class Shape:
    """The table as it is: its columns by configured name, and which of them hold times."""

    def __init__(self, table: sa.TableClause, names: Sequence[str], found: Sequence[Any]) -> None:
        kinds = {column["name"]: column["type"] for column in found}
        actual = [_match(name, kinds) for name in names]
        self.missing = [name for name, match in zip(names, actual, strict=True) if match is None]
        matched = [(name, match) for name, match in zip(names, actual, strict=True) if match is not None]
        self.present = sorted(kinds)
        self.table = sa.table(table.name, *(sa.column(match) for _, match in matched), schema=table.schema)
        self.columns = {name: self.table.c[match] for name, match in matched}
        self.times = {name for name, match in matched if isinstance(kinds[match], sa.DateTime)}


class Database:
    """Holds one connection, made when first needed and again after it was lost."""

    def __init__(
        self, feed: str, table: str, names: Sequence[str], location: str, secret: str | None
    ) -> None:
        self._feed = feed
        self._names = names
        self._schema, _, self._table = table.rpartition(".")
        self._engine, self._shown = open_engine(feed, location, secret)
        self._connection: sa.Connection | None = None
        self._shape: Shape | None = None
        self._opened: tuple[int, int] | None = None

    @property
    def dialect(self) -> str:
        return self._engine.dialect.name

    @property
    def is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    @property
    def shape(self) -> Shape:
        """The table as it is. `SourceChangedError` where it or a column is not there."""
        with self._translated():
            self._connect()
        assert self._shape is not None
        return self._shape

    def fetch(self, build: Callable[[Shape], sa.Select[Any]]) -> Sequence[Raw]:
        """All rows of a statement, each read at one moment."""
        with self._translated():
            connection, shape = self._connect()
            try:
                rows: Sequence[Any] = connection.execute(build(shape)).fetchall()
            except exc.OperationalError as error:
                if not self._is_no_text(error):
                    raise
                rows = self._leniently(connection, build(shape))
            connection.rollback()
        return rows

    def stream(self, build: Callable[[Shape], sa.Select[Any]], page: int) -> Iterator[Sequence[Raw]]:
        """The rows of one statement page by page, all as of the moment it began."""
        with self._translated():
            connection, shape = self._connect()
            self._lenient(connection, on=True)
            streaming = connection.execution_options(stream_results=True, max_row_buffer=page)
            result = streaming.execute(build(shape))
        try:
            while True:
                with self._translated():
                    rows = result.fetchmany(page)
                if not rows:
                    return
                yield rows
        finally:
            self._finish(result)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with self._quietly():
                connection.close()

    def _connect(self) -> tuple[sa.Connection, Shape]:
        if self._connection is not None and self._file_id() != self._opened:
            self.close()  # the file was replaced; the open one is a copy that nobody writes any more
        if self._connection is None:
            self._opened = self._file_id()
            self._connection = self._engine.connect().execution_options(postgresql_readonly=True)
            self._shape = self._inspect(self._connection)
            self._connection.rollback()
        assert self._shape is not None
        return self._connection, self._shape

    def _file_id(self) -> tuple[int, int] | None:
        """Which file a SQLite path leads to now."""
        if not self.is_sqlite:
            return None
        try:
            status = Path(self._engine.url.database or "").stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _inspect(self, connection: sa.Connection) -> Shape:
        inspector = sa.inspect(connection)
        for name in dict.fromkeys((self._table, self._table.lower(), self._table.upper())):
            table = sa.table(name, schema=self._schema or None)
            try:
                shape = Shape(table, self._names, inspector.get_columns(name, schema=self._schema or None))
            except exc.NoSuchTableError:
                continue
            if shape.missing:
                raise SourceChangedError(self._missing_columns(shape))
            return shape
        raise SourceChangedError(
            f"{self._feed}: {self._shown} has no table or view '{self._table}' that this user may see. "
            "Correct `table` under [source], or grant SELECT on it, and start again."
        )

    def _missing_columns(self, shape: Shape) -> str:
        others = [name for name in shape.present if name not in {c.name for c in shape.columns.values()}]
        return (
            f"{self._feed}: '{self._table}' in {self._shown} has no column {_listed(shape.missing)}; "
            f"columns that are not read are {_listed(others) or 'none'}. If one was renamed, say so in the "
            'schema with "column": "<its new name>", and in [source] where it is named, and start again. '
            "Nothing was lost: reading goes on from where it stopped."
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            self.close()
            self._raise(error)
        except exc.SQLAlchemyError as error:
            self.close()
            raise ConfigurationError(f"{self._feed}: {self._shown} cannot be read: {error}") from error

    def _raise(self, error: exc.DBAPIError) -> None:
        """Tell a changed table from a database that does not answer."""
        if error.statement is not None:
            with self._quietly():
                self._connect()
        if isinstance(error, exc.ProgrammingError):
            raise ConfigurationError(
                f"{self._feed}: {self._shown} refuses to show '{self._table}' "
                f"({type(error.orig).__name__}). Grant this user SELECT on it."
            ) from error
        said = str(error.orig).partition("\n")[0] if isinstance(error, exc.OperationalError) else ""
        raise TransientError(
            f"{self._feed}: {self._shown} does not answer ({type(error.orig).__name__}"
            f"{': ' if said else ''}{said}). Reading goes on by itself once it does."
        ) from error

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Let a connection that is gone be gone; what follows says so."""
        try:
            yield
        except exc.SQLAlchemyError:
            self._connection = None

    def _finish(self, result: sa.CursorResult[Any]) -> None:
        with self._quietly():
            result.close()
            if self._connection is not None:
                self._lenient(self._connection, on=False)
                self._connection.rollback()

    def _is_no_text(self, error: exc.OperationalError) -> bool:
        return self.is_sqlite and "decode to UTF-8" in str(error.orig)

    def _leniently(self, connection: sa.Connection, statement: sa.Select[Any]) -> Sequence[Any]:
        """Read again where SQLite holds bytes that are no text, which then show as lone surrogates."""
        self._lenient(connection, on=True)
        try:
            return connection.execute(statement).fetchall()
        finally:
            self._lenient(connection, on=False)

    def _lenient(self, connection: sa.Connection, *, on: bool) -> None:
        driver = connection.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            driver.text_factory = _surrogates if on else str


def _surrogates(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _match(name: str, kinds: dict[str, Any]) -> str | None:
    if name in kinds:
        return name
    return next((other for other in kinds if other.casefold() == name.casefold()), None)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
