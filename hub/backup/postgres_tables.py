"""The store's tables on PostgreSQL: copied from one snapshot while views write, and put back.

With PostgreSQL's own COPY over the hub's own connection, so that no program of PostgreSQL's is needed.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from hub.backup.manifest import StoreCopy, TableCopy, fingerprint
from hub.errors import ConfigurationError, FatalError
from hub.view.making import locked, revision_of
from hub.view.migrating import make_at
from hub.view.migrations import HEAD
from hub.view.session import Database
from hub.view.tables import METADATA, REVISION


def copy_tables(database: Database, folder: Path) -> StoreCopy:
    """Write every table of the store into a file of its own, all as of one moment."""
    with database.engine.connect() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        revision = revision_of(connection)
        if revision is None:
            raise ConfigurationError(f"There is no store at {database.name} to back up.")
        found = inspect(connection)
        there = set(found.get_table_names()) - {REVISION.name}
        names = sorted(there & METADATA.tables.keys() if revision == HEAD else there)
        columns = {name: tuple(column["name"] for column in found.get_columns(name)) for name in names}
        tables = {name: _copy_out(connection, name, columns[name], folder) for name in names}
        kept = connection.execute(text("SELECT topic || '-' || partition, next_offset FROM kept_offsets"))
        return StoreCopy(
            kind="postgresql", revision=revision, tables=tables, offsets=dict(kept.fetchall()), piece=None
        )


def put_back_tables(
    database: Database, copied: StoreCopy, folder: Path, change: str, *, overwrite: bool
) -> None:
    """Make the tables as they were, fill them and run `change`, in one transaction."""
    with locked(database.engine) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        _make_room(connection, database.name, {*METADATA.tables, *copied.tables}, overwrite=overwrite)
        make_at(connection, copied.revision)
        for name, table in copied.tables.items():
            connection.execute(text(f"DELETE FROM {name}"))  # first values of one row
            rows = _copy_in(connection, name, table, folder)
            if rows != table.rows:
                raise FatalError(f"Of {table.rows} rows of {name} {rows} came back; the store is as it was.")
        connection.execute(text(change))


def refuse_store_present(database: Database, *, overwrite: bool) -> None:
    with database.engine.connect() as connection:
        if revision_of(connection) is not None and not overwrite:
            raise _present(database.name)


def _present(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"There is a store at {name} already. Name an empty database, or say --overwrite to have its "
        "tables dropped."
    )


def _make_room(connection: Connection, name: str, tables: set[str], *, overwrite: bool) -> None:
    if revision_of(connection) is None:
        return
    if not overwrite:
        raise _present(name)
    for table in {*tables, REVISION.name} & set(inspect(connection).get_table_names()):
        connection.execute(text(f"DROP TABLE {table}"))


def _copy_out(connection: Connection, name: str, columns: tuple[str, ...], folder: Path) -> TableCopy:
    file = folder / f"{name}.copy"
    cursor = _driver(connection).cursor()
    with file.open("xb") as target, cursor.copy(_statement(name, columns, "TO STDOUT")) as copying:
        for block in copying:
            target.write(block)
    return TableCopy(columns=columns, rows=cursor.rowcount, piece=fingerprint(file))


def _copy_in(connection: Connection, name: str, table: TableCopy, folder: Path) -> int:
    assert table.piece is not None
    cursor = _driver(connection).cursor()
    with (
        (folder / table.piece.name).open("rb") as source,
        cursor.copy(_statement(name, table.columns, "FROM STDIN")) as copying,
    ):
        while block := source.read(1024 * 1024):
            copying.write(block)
    return int(cursor.rowcount)


def _statement(name: str, columns: tuple[str, ...], way: str) -> str:
    return f"COPY {name} ({', '.join(columns)}) {way} (FORMAT BINARY)"


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
