"""Makes the store's tables, and refuses a store that is not this hub's."""

from typing import Any

from sqlalchemy import Connection, Engine, insert, inspect, select, text

from hub.errors import ConfigurationError
from hub.view.tables import CHANGE_COUNTER, METADATA, STORE_VERSION, VERSION


def make_tables(engine: Engine, name: str) -> None:
    # Two processes that start at once must not make the tables twice: SQLite locks as it begins,
    # PostgreSQL by the first statement, after which it must see what was made meanwhile.
    options: dict[str, Any] = {"isolation_level": "READ COMMITTED"}
    if engine.name == "sqlite":
        options = {"begin": "BEGIN IMMEDIATE"}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        if engine.name != "sqlite":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('alliance-hub store'))"))
        METADATA.create_all(connection)
        for table, first in ((STORE_VERSION, {"version": VERSION}), (CHANGE_COUNTER, {"last": 0})):
            if connection.execute(select(table)).first() is None:
                connection.execute(insert(table).values(first))
        version = connection.execute(select(STORE_VERSION.c.version)).scalar_one()
        if version != VERSION:
            age = "newer" if version > VERSION else "older"
            raise ConfigurationError(
                f"The store {name} has version {version}, {age} than {VERSION} of this hub. "
                "Use the hub it was made with, or rebuild into an empty store from the bus."
            )
        _check_columns(connection, name)


def _check_columns(connection: Connection, name: str) -> None:
    found = inspect(connection)
    problems = []
    for table in METADATA.sorted_tables:
        there = {column["name"] for column in found.get_columns(table.name)}
        if there != set(table.c.keys()):
            differing = ", ".join(sorted(there ^ set(table.c.keys())))
            problems.append(
                f"The store {name}: table '{table.name}' differs from this hub's in {differing}. "
                "Rebuild into an empty store from the bus."
            )
    if problems:
        raise ConfigurationError("\n".join(problems))
