"""Makes the store's tables, and refuses a store that is not this hub's, or not of this release."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, insert, inspect, select, text

from hub.errors import ConfigurationError
from hub.view.migrations import OWN, Revisions
from hub.view.tables import CHANGE_COUNTER, METADATA, REVISION, STORE_VERSION


def make_tables(engine: Engine, name: str, revisions: Revisions = OWN) -> None:
    """Make what is missing of a new store; mark one of the first release, which bore no mark.

    `ConfigurationError` for a store of another release: it says which command brings it here.
    """
    with locked(engine) as connection:
        found = revision_of(connection)
        if found is None:
            METADATA.create_all(connection)
            connection.execute(insert(STORE_VERSION).values(version=int(revisions.head)))
            connection.execute(insert(CHANGE_COUNTER).values(last=0))
        problem = problem_of(name, found or revisions.head, revisions)
        if problem is not None:
            raise ConfigurationError(problem)
        mark(connection, revisions.head)
        _check_columns(connection, name)


@contextmanager
def locked(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction that no other process can make or change tables beside.

    SQLite locks as it begins, PostgreSQL by the first statement, after which it must see what was
    made meanwhile.
    """
    options: dict[str, Any] = {"isolation_level": "READ COMMITTED"}
    if engine.name == "sqlite":
        options = {"begin": "BEGIN IMMEDIATE"}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        if engine.name != "sqlite":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('alliance-hub store'))"))
        yield connection


def revision_of(connection: Connection) -> str | None:
    """The revision of the store; None for a new one."""
    tables = inspect(connection).get_table_names()
    if REVISION.name in tables:
        revision: str | None = connection.execute(select(REVISION.c.version_num)).scalar()
        if revision is not None:
            return revision
    if STORE_VERSION.name in tables:
        version = connection.execute(select(STORE_VERSION.c.version)).scalar()
        if version is not None:
            return f"{version:04}"
    return None


def mark(connection: Connection, revision: str) -> None:
    """Mark a store for alembic where it is not yet."""
    REVISION.create(connection, checkfirst=True)
    if connection.execute(select(REVISION)).first() is None:
        connection.execute(insert(REVISION).values(version_num=revision))


def problem_of(name: str, found: str, revisions: Revisions) -> str | None:
    """What to do about a store of revision `found`; None for nothing."""
    if found == revisions.head:
        return None
    if found in revisions.in_order():
        return (
            f"The store {name} is of an earlier release (revision {found}; this hub needs {revisions.head}). "
            "Back it up, then run `alliance-hub store upgrade` with the same settings; views of the earlier "
            "release may go on."
        )
    return (
        f"The store {name} is of a later release (revision {found}, newer than {revisions.head} of this "
        f"hub). Use that release, or have it run `alliance-hub store downgrade --to {revisions.head}`."
    )


def _check_columns(connection: Connection, name: str) -> None:
    found = inspect(connection)
    there_are = set(found.get_table_names())
    problems = []
    for table in METADATA.sorted_tables:
        there = {c["name"] for c in found.get_columns(table.name)} if table.name in there_are else set()
        if there != set(table.c.keys()):
            differing = ", ".join(sorted(there ^ set(table.c.keys())))
            problems.append(
                f"The store {name}: table '{table.name}' differs from this hub's in {differing}. "
                "Rebuild into an empty store from the bus."
            )
    if problems:
        raise ConfigurationError("\n".join(problems))
