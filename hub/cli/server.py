"""Builds the server of a process from its parts."""

from starlette.applications import Starlette
from starlette.routing import Route

from hub.access import Policy, refuse_open_server
from hub.audit import AuditLog
from hub.cli.office import make_office
from hub.cli.parts import Parts
from hub.dead_letters.jobs import Jobs
from hub.dead_letters.tending import Tending
from hub.holders import Tokens
from hub.serve.app import make_app
from hub.serve.caller import Callers
from hub.serve.clients import Clients
from hub.serve.dead_letters import routes
from hub.serve.desk import Desk
from hub.view.query import Query


def make_server(parts: Parts) -> Starlette:
    """The server, on the store of these parts. Refuses to serve beyond this machine unguarded."""
    settings, server = parts.settings, parts.settings.server
    known_by = settings.tokens_file or server.clients_file
    refuse_open_server(settings.host, known_by=known_by, unread=server.unread)
    tokens = Tokens(settings.tokens_file) if settings.tokens_file else None
    clients = Clients(server.clients_file) if server.clients_file else None
    audit = AuditLog(parts.bus, parts.codec, settings.instance, parts.metrics)
    parts.close_with(audit.close)
    desk = Desk(
        query=Query(parts.store, parts.codec),
        policy=Policy(),
        callers=Callers(tokens, clients, require_justification=settings.require_justification),
        audit=audit,
        flow=parts.flow,
        feeds=tuple((feed.force, feed.domain) for feed in parts.feeds()),
        sharing=frozenset(name for name, force in parts.forces.items() if force.card.shares_restricted),
        stale_after_seconds=settings.stale_after_seconds,
    )
    letters = _dead_letters(parts, desk, audit)
    return make_app(desk, parts.codec.registry, parts.metrics, settings.limits, more=letters)


def _dead_letters(parts: Parts, desk: Desk, audit: AuditLog) -> list[Route]:
    """The routes of dead letters, and the thread that looks after those that wait."""
    settings = parts.settings.dead_letters
    office = make_office(parts, audit.write)
    jobs = Jobs(office)
    tending = Tending(office, parts.metrics, retention_days=settings.retention_days)
    parts.close_with(office.writer.book.close)
    parts.close_with(tending.close)
    parts.close_with(jobs.close)
    tending.start()
    return routes(desk, office, jobs, per_second=settings.replay_per_second)
