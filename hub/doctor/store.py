"""The check of the store: whether it answers, whether its tables are this release's, and its clock."""

import datetime as dt
from collections.abc import Iterator

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from hub.doctor.clock import compare
from hub.doctor.finding import Finding, failed, ok, warning
from hub.view.migrating import store_status
from hub.view.session import Database
from hub.view.store import open_database
from hub.view.tables import FRESHNESS

REMEDY = "See that its database is up and reachable from here, and that `store` names it."


def check_store(url: str, secret: str | None) -> Iterator[Finding]:
    """Ask the store for its revision and its time; makes and changes nothing."""
    name, found, needed, problem = store_status(url, secret)
    if problem is not None:
        yield failed("store", problem)
        return
    if found is None:
        yield warning("store", f"there is no store at {name} yet; the first start of the view makes it.")
        return
    yield ok("store", f"{name} answers; its tables are of revision {needed}, as this release needs")
    database = open_database(url, secret)
    try:
        with database.engine.connect() as connection:
            yield from _clocks(database, connection)
    except DBAPIError as error:
        raise database.explain(error.orig) from error
    finally:
        database.engine.dispose()


def _clocks(database: Database, connection: Connection) -> Iterator[Finding]:
    """The database's clock beside ours, and that of the view, which says when it found what is fresh."""
    if database.engine.dialect.name == "postgresql":
        yield compare("the store's database", connection.execute(select(func.clock_timestamp())).scalar_one())
    seen_at = connection.execute(select(func.max(FRESHNESS.c.seen_at))).scalar()
    if seen_at is not None:
        at = dt.datetime.fromtimestamp(seen_at / 1_000_000, dt.UTC)
        if at > dt.datetime.now(dt.UTC):
            yield compare("the view's machine", at)
