"""How PostgreSQL is reached and let go of, how long the hub waits for it, and what its errors mean."""

import os
import re
import socket
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import psycopg
from sqlalchemy import Engine, event

from hub.errors import ConfigurationError, FatalError, HubError, StoreAwayError

_WRONG = re.compile("does not exist|authentication failed|no password supplied")
_PASSING = {"25006", "25P03"}
"""A standby that has not yet taken over; a transaction of ours that stood still for too long."""

NOTICE_A_DEAD_SERVER = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",  # what was sent and is not acknowledged; keepalives do not cover that
}
_WAIT_NO_LONGER = ("SET lock_timeout = '30s'", "SET statement_timeout = '120s'")
LET_GO_OF_LOCKS = "SET idle_in_transaction_session_timeout = '60s'"
"""Else a view whose process is frozen in a transaction would hold up all others for ever."""


def explain(error: Any, name: str) -> HubError:
    """Name what happens next: a server that is away, full or busy comes back, a wrong one does not."""
    reason = str(error).strip().partition("\n")[0]
    state = getattr(error, "sqlstate", None)
    if state is None and _WRONG.search(reason):  # a refused connection has no SQLSTATE
        return ConfigurationError(f"The store {name} is not to be had: {reason}. Mend its URL or make it.")
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return StoreAwayError(
            f"The store {name} is held by another session: {reason}. `pg_locks` says which; end it there."
        )
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) or state in _PASSING:
        return StoreAwayError(f"The store {name} does not answer: {reason}. See that PostgreSQL is up.")
    return FatalError(f"The store {name} refuses: {reason}. Check the rights of its user, or rebuild.")


def prepare(connection: psycopg.Connection) -> None:
    """Have a new connection wait for nothing without end; a wait that ends is an error that passes."""
    for setting in _WAIT_NO_LONGER:
        connection.execute(setting)
    connection.commit()


def cut_when_disposed(engine: Engine) -> None:
    """Readers that still wait for the server when the store is closed wait no longer."""
    opened: WeakSet[psycopg.Connection] = WeakSet()

    def refuse(*_: Any) -> None:
        raise psycopg.OperationalError("this process has closed it")

    def cut_all(_: Engine) -> None:
        event.listen(engine, "do_connect", refuse)
        for connection in list(opened):
            cut(connection)

    event.listen(engine, "connect", lambda connection, _: opened.add(connection))
    event.listen(engine, "engine_disposed", cut_all)


def cut(connection: psycopg.Connection) -> None:
    """End a connection under whoever uses it: nothing else ends a wait for a server that stands still."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
