"""Brings a store from one release to the next, or back, while views write and readers ask.

A revision is one transaction, so that a kill leaves the store as it was. On SQLite views wait for
it and readers see the store as it was; on PostgreSQL views wait at the door of the kept offsets,
and readers for tables that are changed. Who waits for too long tries again by itself: nothing is lost.
"""

from typing import NamedTuple

from sqlalchemy import Connection, text
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from hub.errors import ConfigurationError, TransientError
from hub.view.making import locked, make_tables, mark, problem_of, revision_of
from hub.view.migrations import OWN, Revisions
from hub.view.store import sqlite_path, store_database

_patiently = retry(
    retry=retry_if_exception_type(TransientError),
    wait=wait_random(0.1, 0.5),
    stop=stop_after_attempt(5),
    reraise=True,
)


class StoreStatus(NamedTuple):
    """Where a store stands: its revision (None: not made yet), the one this hub needs, what to do."""

    name: str
    found: str | None
    needed: str
    problem: str | None


def store_status(url: str, secret: str | None = None, revisions: Revisions = OWN) -> StoreStatus:
    """Look at a store and change nothing; this is what `store status` and `doctor` ask.

    A store that is not made yet is no problem: the first start makes it. Raises `ConfigurationError`
    for a URL that is none, `TransientError` where the database does not answer.
    """
    path = sqlite_path(url)
    if path is not None and not path.exists():
        return StoreStatus(str(path), None, revisions.head, None)
    with store_database(url, secret) as opened, opened.engine.connect() as connection:
        found = revision_of(connection)
    problem = None if found is None else problem_of(opened.name, found, revisions)
    return StoreStatus(opened.name, found, revisions.head, problem)


@_patiently
def upgrade(url: str, secret: str | None = None, revisions: Revisions = OWN) -> tuple[str | None, str]:
    """Bring a store to the revision of this release; the revisions before (None: new) and after."""
    with store_database(url, secret) as database:
        with locked(database.engine) as connection:
            found = revision_of(connection)
            if found is not None and found not in revisions.in_order():
                raise ConfigurationError(str(problem_of(database.name, found, revisions)))
            if found is not None:
                mark(connection, found)
                _run(connection, "upgrade", revisions.head, revisions)
        if found is None:
            make_tables(database.engine, database.name)
        return found, revisions.head


@_patiently
def downgrade(
    url: str, secret: str | None = None, *, to: str | None = None, revisions: Revisions = OWN
) -> tuple[str, str]:
    """Bring a store back to an earlier revision, the one before unless told; from which, to which.

    What only later releases keep is given up. `ConfigurationError` where there is no way back.
    """
    with store_database(url, secret) as database, locked(database.engine) as connection:
        found = revision_of(connection)
        known = revisions.in_order()
        earlier = known[: known.index(found)] if found in known else []
        wanted = to or (earlier[-1] if earlier else None)
        if found is None or wanted is None or wanted not in (*earlier, found):
            raise ConfigurationError(
                f"The store {database.name} (revision {found or 'none'}) cannot be brought back to "
                f"{wanted or 'one before it'}: this release knows the way back to "
                f"{', '.join(earlier) or 'none'}. Name one of those, with the release that made the store."
            )
        mark(connection, found)
        if wanted != found:
            _run(connection, "downgrade", wanted, revisions)
        return found, wanted


def make_at(connection: Connection, revision: str, revisions: Revisions = OWN) -> None:
    """Make the tables of a new store as they were at a revision, by the scripts alone."""
    _run(connection, "upgrade", revision, revisions)


def _run(connection: Connection, verb: str, to: str, revisions: Revisions) -> None:
    from alembic import command

    if connection.dialect.name != "sqlite":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        if revision_of(connection) is not None:
            # Where a view's transaction begins; behind it it holds nothing that we might wait for.
            connection.execute(text("LOCK TABLE kept_offsets IN EXCLUSIVE MODE"))
    config = revisions.config()
    config.attributes["connection"] = connection
    getattr(command, verb)(config, to)
