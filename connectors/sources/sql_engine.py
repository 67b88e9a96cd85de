"""How a legacy database is opened: SQLite files read-only, others as their driver does."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import NullPool

from hub.errors import ConfigurationError

_NOTICE_A_DEAD_SERVER = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # what was sent and is not acknowledged; keepalives do not cover that
}
_WAIT_NO_LONGER = ("SET lock_timeout = '30s'", "SET statement_timeout = '240s'")
"""Of PostgreSQL: then the read is tried again, and says so meanwhile."""
_WAIT_SECONDS = 10
"""How long a reader waits for a writer of a SQLite file before it tries again later."""


def open_engine(feed: str, location: str, secret: str | None) -> tuple[sa.Engine, str]:
    """Open nothing yet; gives the engine and the location without its secret."""
    try:
        url = sa.make_url(location)
        if secret is not None:
            url = url.set(password=secret)
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        # An error must not quote keys and watermarks (invariant 10).
        engine = sa.create_engine(url, poolclass=NullPool, hide_parameters=True, **_options(url))
        if engine.dialect.name == "postgresql":
            sa.event.listen(engine, "connect", _prepare)
        return engine, f"database '{url.render_as_string()}'"
    except (exc.ArgumentError, exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigurationError(
            f"{feed}: `location` is no database the hub can open ({type(error).__name__}); "
            "use sqlite:///path or postgresql://user@host/name, or install the driver of its dialect."
        ) from error


def _options(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"creator": _sqlite(url.database)}
    if url.get_backend_name() == "postgresql":
        given = _NOTICE_A_DEAD_SERVER.items()
        return {"connect_args": {name: value for name, value in given if name not in url.query}}
    return {}


def _prepare(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        for setting in _WAIT_NO_LONGER:
            cursor.execute(setting)
    connection.commit()


def _sqlite(path: str | None) -> Callable[[], sqlite3.Connection]:
    name = f"file:{quote(str(Path(path or '').absolute()))}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(name, uri=True, timeout=_WAIT_SECONDS, check_same_thread=False)

    return connect
