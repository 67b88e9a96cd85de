"""Who acts on the command line, and the entry each act leaves in the audit log."""

import datetime as dt
import os
from typing import Annotated

import typer

from hub.access import LOCAL, OPERATE, Policy, Principal
from hub.audit import AuditLog, Entry
from hub.cli.parts import Parts
from hub.errors import ConfigurationError
from hub.forces import Feed
from hub.holders import Tokens

Token = Annotated[
    str | None,
    typer.Option(envvar="HUB_TOKEN", help="Act as who bears this token; as 'local' without one."),
]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit log.")]


def who(parts: Parts, token: str | None) -> Principal:
    """Whoever bears the token; without one `LOCAL`, who sits at this machine."""
    if token is None:
        return LOCAL
    file = parts.settings.tokens_file
    if file is None:
        raise ConfigurationError("A token was given, but no tokens_file is set that could know it.")
    found = Tokens(file).principal(token, dt.datetime.now(dt.UTC).date())
    if found is None:
        raise ConfigurationError(f"tokens_file '{file}' knows no such token, or it has expired.")
    return found


def audited(parts: Parts, principal: Principal, feed: Feed, verb: str, reason: str) -> None:
    """Return once the act is in the audit log; `ConfigurationError` where it is not allowed."""
    decision = Policy().decide(principal, OPERATE, feed.domain, feed.force)
    if not decision.allowed:
        raise ConfigurationError(f"{decision.reason}.")
    entry = Entry(
        verb,
        principal.name,
        principal.force,
        feed.domain,
        query=f"{feed.force}.{feed.domain}",
        justification=reason,
    )
    log = AuditLog(parts.bus, parts.codec, f"cli-{os.getpid()}", parts.metrics)
    try:
        log.write(entry)
    finally:
        log.close()
