"""The connectors over HTTP, as Kafka Connect's REST API has them: what it reads, and its verbs.

Each takes the verb `operate`; a verb leaves an entry in the audit log before it is done. What the hub
knows besides is at `/connectors/{name}/standing` and `/connectors/{name}/backfill`.
"""

import json
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.access import OPERATE
from hub.audit import Entry
from hub.backfill import Backfill, read_backfill
from hub.control import ConnectorState
from hub.errors import BadQueryError
from hub.flow import VERBS, Status
from hub.forces import Feed
from hub.serve import connect_shapes as shapes
from hub.serve.caller import refuse_other_sites
from hub.serve.connect_route import ConnectRoute, JsonRoot
from hub.serve.desk import Desk
from hub.serve.problem import Problem

_LONGEST_BODY = 1024 * 1024
_EXPANDED: dict[str, Callable[[Status], dict[str, Any]]] = {"status": shapes.status, "info": shapes.info}
_READ: dict[str, Callable[[Status], Any]] = {
    "": shapes.info,
    "/status": shapes.status,
    "/config": lambda of: shapes.config(of.feed),
    "/tasks": shapes.tasks,
    "/topics": shapes.topics,
    "/offsets": shapes.offsets,
    "/standing": shapes.standing,
}
"""What can be read of one connector, by the end of its path."""


def routes(desk: Desk) -> list[Route]:
    """Make the routes."""
    board = _Connectors(desk)
    one = "/connectors/{name}"
    return [
        JsonRoot("/", board.root),
        ConnectRoute("/connector-plugins", board.plugins),
        ConnectRoute("/connectors", board.listing),
        *(ConnectRoute(one + end, board.reader(describe)) for end, describe in _READ.items()),
        ConnectRoute(f"{one}/tasks/{{task}}/status", board.task_status),
        ConnectRoute(f"{one}/tasks/{{task}}/restart", board.restart_task, ["POST"]),
        ConnectRoute(f"{one}/backfill", board.backfill, ["PUT", "DELETE"]),
        ConnectRoute(f"{one}/restart", board.restart, ["POST"]),
        *(ConnectRoute(f"{one}/{verb}", board.act, ["PUT"]) for verb in VERBS if verb != "restart"),
    ]


class _Connectors:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._flow = desk.flow

    def root(self, request: Request) -> Response:
        """`GET /` with `Accept: application/json`: which Connect this is like."""
        self._desk.callers.authenticate(request)  # the page at the same place is open to all
        return JSONResponse(shapes.root())

    def plugins(self, request: Request) -> Response:
        """`GET /connector-plugins`: the kinds of source."""
        self._desk.callers.principal(request)
        return JSONResponse(shapes.plugins())

    def listing(self, request: Request) -> Response:
        """`GET /connectors`: those the caller may operate; `?expand=status&expand=info` with how each is."""
        principal = self._desk.callers.principal(request)
        feeds = [feed for name in self._flow.names if (feed := self._flow.feed(name)) is not None]
        mine = [f for f in feeds if self._desk.policy.decide(principal, OPERATE, f.domain, f.force).allowed]
        expand = request.query_params.getlist("expand")
        if not expand:
            return JSONResponse([f"{feed.force}.{feed.domain}" for feed in mine])
        asked = {name: describe for name, describe in _EXPANDED.items() if name in expand}
        statuses = self._flow.statuses(mine) if asked else []
        expanded = {of.name: {name: say(of) for name, say in asked.items()} for of in statuses}
        return JSONResponse(expanded or {f"{feed.force}.{feed.domain}": {} for feed in mine})

    def reader(self, describe: Callable[[Status], Any]) -> Callable[[Request], Response]:
        """`GET /connectors/{name}` and what lies below it."""

        def read(request: Request) -> Response:
            return JSONResponse(describe(self._flow.status(self._operated(request))))

        return read

    def task_status(self, request: Request) -> Response:
        """`GET /connectors/{name}/tasks/0/status`: a connector has one task, unless it is stopped."""
        of = self._flow.status(self._operated(request))
        described = shapes.task_status(of) if request.path_params["task"] == "0" else None
        if described is None:
            task = request.path_params["task"]
            raise Problem(404, "Not found", f"No status found for task {of.name}-{task}")
        return JSONResponse(described)

    def act(self, request: Request) -> Response:
        """`PUT …/pause | resume | stop`: kept over restarts, answered before it is done."""
        verb = request.url.path.rpartition("/")[2]
        self._ask(request, self._operated(request), verb)
        return Response(status_code=204 if verb == "stop" else 202)

    def restart(self, request: Request) -> Response:
        """`POST …/restart`: 204, or with `includeTasks` 202 and the status; `onlyFailed` leaves others be."""
        feed = self._operated(request)
        asked = request.query_params
        of = self._flow.status(feed)
        acts = not _true(asked.get("onlyFailed")) or of.state == ConnectorState.FAILED
        if acts:
            self._ask(request, feed, "restart")
        if not _true(asked.get("includeTasks")):
            return Response(status_code=204)
        return JSONResponse(shapes.status(of, shapes.RESTARTING if acts else None), 202)

    def restart_task(self, request: Request) -> Response:
        """`POST …/tasks/0/restart`: the task is the connector."""
        feed = self._operated(request)
        if request.path_params["task"] != "0":
            task = f"{feed.force}.{feed.domain}-{request.path_params['task']}"
            raise Problem(404, "Not found", f"Task {task} not found")
        self._ask(request, feed, "restart")
        return Response(status_code=204)

    async def backfill(self, request: Request) -> Response:
        """`PUT …/backfill` with keys or times asks for one; `DELETE` ends it where it is."""
        refuse_other_sites(request)
        body = b"" if request.method == "DELETE" else await _body(request)
        return await run_in_threadpool(self._backfill, request, body)

    def _backfill(self, request: Request, body: bytes) -> Response:
        feed = self._operated(request)
        if request.method == "DELETE":
            self._audited(request, feed, "cancel backfill")
            self._done(lambda: self._flow.cancel(feed))
            return Response(status_code=202)
        asked = _read(body)
        by, reason = self._audited(request, feed, "backfill")
        self._done(lambda: self._flow.backfill(feed, asked, by=by, reason=reason))
        return JSONResponse({"id": asked.id}, 202)

    def _operated(self, request: Request) -> Feed:
        """The feed that the caller may operate; a name they may not know of is not found."""
        principal = self._desk.callers.principal(request)
        name = request.path_params["name"]
        feed = self._flow.feed(name)
        if feed is None or not self._desk.policy.decide(principal, OPERATE, feed.domain, feed.force).allowed:
            raise Problem(404, "Not found", f"Connector {name} not found, or you may not operate it.")
        return feed

    def _ask(self, request: Request, feed: Feed, verb: str) -> None:
        refuse_other_sites(request)
        by, reason = self._audited(request, feed, verb)
        self._done(lambda: self._flow.ask(feed, verb, by=by, reason=reason))

    def _audited(self, request: Request, feed: Feed, verb: str) -> tuple[str, str]:
        """Who asks and why, once that is in the audit log."""
        principal = self._desk.callers.principal(request)
        reason = self._desk.callers.justification(request)
        self._desk.audit.write(
            Entry(
                f"{verb} connector" if verb in VERBS else verb,
                principal.name,
                principal.force,
                feed.domain,
                query=f"{feed.force}.{feed.domain}",
                justification=reason,
            )
        )
        return principal.name, reason

    @staticmethod
    def _done(act: Callable[[], None]) -> None:
        try:
            act()
        except BadQueryError as error:
            raise Problem(409, "Not as it is now", str(error)) from error


def _true(text: str | None) -> bool:
    return (text or "").lower() == "true"


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_BODY:
            raise Problem(413, "Too much", f"A backfill is up to {_LONGEST_BODY} bytes; name a time.")
    return body


def _read(body: bytes) -> Backfill:
    try:
        return read_backfill(json.loads(body))
    except (ValueError, RecursionError, BadQueryError) as error:
        said = str(error) if isinstance(error, BadQueryError) else "the body is not JSON."
        raise Problem(400, "That was not understood", said) from error
