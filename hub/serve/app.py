"""The HTTP server: records, freshness, live changes, schemas, OpenAPI and the page."""

import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub import logs
from hub.access import Principal
from hub.audit import Entry
from hub.domains import DOMAINS
from hub.errors import HubError
from hub.events import iso_micros
from hub.metrics import Metrics
from hub.schema.registry import Registry
from hub.serve import connectors, live, schema_registry
from hub.serve.connect_route import refusal_of, unrouted
from hub.serve.desk import Desk
from hub.serve.guard import Guard, shell
from hub.serve.openapi import describe
from hub.serve.present import Presenter
from hub.serve.problem import Problem, answer, failed
from hub.serve.records import Records
from hub.serve.settings import LimitSettings

log = structlog.get_logger()

LOCAL_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
"""Names under which the local principal is served, so that no web page elsewhere can borrow it."""


PAGE = Path(str(files("hub.serve"))) / "page"


def make_app(
    desk: Desk, registry: Registry, metrics: Metrics, limits: LimitSettings, *, more: Sequence[Route] = ()
) -> Starlette:
    """Make the server's app; `more` are routes before the page's."""
    local = desk.callers.local
    presenters = {name: Presenter(domain, desk.sharing) for name, domain in DOMAINS.items()}
    records = {name: Records(domain, presenters[name], desk) for name, domain in DOMAINS.items()}
    document = describe(presenters, guarded=not local)
    routes: list[Route | Mount] = []
    for name, domain in DOMAINS.items():
        routes.append(Route(f"/{domain.path}", records[name].listing))
        routes.append(Route(f"/{domain.path}/{{id}}", records[name].one))
    board = _Board(desk, records)
    routes += [
        Route("/freshness", board.freshness),
        Route("/changes", board.changes),
        Route("/openapi.json", lambda _: JSONResponse(document)),
        *schema_registry.routes(registry, desk.callers),
        *connectors.routes(desk),
        *more,
        Mount("/", StaticFiles(directory=PAGE, html=True)),
    ]
    guard = Middleware(
        Guard,
        callers=desk.callers,
        policy=desk.policy,
        limits=limits,
        metrics=metrics,
        open_paths=shell(PAGE),
    )
    middleware = [Middleware(_Observe, metrics=metrics), guard]
    if local:
        middleware.insert(0, Middleware(TrustedHostMiddleware, allowed_hosts=LOCAL_HOSTS, www_redirect=False))
    handlers = {Problem: answer, HubError: failed, HTTPException: unrouted}
    return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)


class _Board:
    """Freshness and live changes, over all domains."""

    def __init__(self, desk: Desk, records: dict[str, Records]) -> None:
        self._desk = desk
        self._records = records

    def freshness(self, request: Request) -> Response:
        """`GET /freshness`: per feed the source time up to which every change is visible."""
        self._desk.callers.principal(request)
        return JSONResponse(self._freshness())

    async def changes(self, request: Request) -> Response:
        """`GET /changes?after=N`: the live stream; from now on unless given."""
        principal = self._desk.callers.principal(request)
        reason = self._desk.callers.justification(request)
        text = request.headers.get("last-event-id") or request.query_params.get("after")
        if text is None:
            after = await run_in_threadpool(self._desk.query.last_change)
        elif text.isascii() and text.isdigit() and len(text) < 19:
            after = int(text)
        else:
            raise Problem(400, "That was not understood", "'after' is a change number, a whole number.")
        return live.stream(
            request,
            after,
            lambda number: self._since(principal, reason, number),
            self._freshness,
            lambda: self._desk.callers.still(request, principal),
        )

    def _since(self, principal: Principal, reason: str, after: int) -> tuple[int, list[live.Change]]:
        found = self._desk.query.changes_after(after, live.PAGE)
        seen: list[live.Change] = []
        for change in found:
            domain = DOMAINS[change.domain]
            if self._desk.policy.forces(principal, change.domain, (change.record["force"],)):
                presented = self._records[change.domain].present(principal, change.record)
                seen.append((change.number, domain.noun, presented))
        if seen:
            ids = [record["id"] for _, _, record in seen]
            self._desk.audit.write(
                Entry("consultation", principal.name, principal.force, "", ids, "changes", reason)
            )
        return (found[-1].number if found else after), seen

    def _freshness(self) -> dict[str, Any]:
        now = self._desk.now()
        known = {(feed.force, feed.domain): feed.complete_to for feed in self._desk.query.freshness()}
        return {
            "as_of": iso_micros(now),
            "stale_after_seconds": self._desk.stale_after_seconds,
            "change_number": self._desk.query.last_change(),
            "feeds": [
                self._feed(force, domain, known.get((force, domain)), now)
                for force, domain in self._desk.feeds
            ],
        }

    def _feed(self, force: str, domain: str, complete_to: int | None, now: int) -> dict[str, Any]:
        """A feed of which nothing is known is stale: silence is never taken for quiet.

        So is one complete to a time that has not come: a clock was ahead, and hides what stopped.
        """
        age = None if complete_to is None else (now - complete_to) / 1e6
        return {
            "force": force,
            "domain": domain,
            "complete_to": None if complete_to is None else iso_micros(complete_to),
            "age_seconds": age,
            "stale": age is None or abs(age) > self._desk.stale_after_seconds,
        }


class _Observe:
    """Measures each request by its route, and answers where the hub has a defect."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, begun = time.monotonic(), False

        async def observed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                route = getattr(scope.get("route"), "path", "other")
                series = self._metrics.requests.labels(route, scope["method"], str(message["status"]))
                series.observe(time.monotonic() - began)
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception as error:
            log.error("defect", trace=logs.trace(error))
            if begun:
                raise
            problem = Problem(500, "The hub failed", "A defect; its log tells where. Please report it.")
            await refusal_of(scope, problem)(scope, receive, observed)
