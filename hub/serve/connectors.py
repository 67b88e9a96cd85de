"""The connectors over HTTP, in the shapes of Kafka Connect's REST API.

Each takes the verb `operate` and leaves an entry in the audit log before it is done.
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
from hub.errors import BadQueryError
from hub.events import iso_micros
from hub.flow import VERBS, Status
from hub.forces import Feed
from hub.serve.caller import refuse_other_sites
from hub.serve.desk import Desk
from hub.serve.problem import Problem

_LONGEST_BODY = 1024 * 1024


def routes(desk: Desk) -> list[Route]:
    """Make the routes."""
    board = _Connectors(desk)
    one = "/connectors/{name}"
    return [
        Route("/connectors", board.listing),
        Route(f"{one}/status", board.status),
        Route(f"{one}/offsets", board.offsets),
        Route(f"{one}/backfill", board.backfill, methods=["PUT", "DELETE"]),
        *(
            Route(f"{one}/{verb}", board.act, methods=["POST" if verb == "restart" else "PUT"])
            for verb in VERBS
        ),
    ]


class _Connectors:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._flow = desk.flow

    def listing(self, request: Request) -> Response:
        """`GET /connectors`: the names the caller may operate; `?expand=status` with how each is."""
        principal = self._desk.callers.principal(request)
        feeds = [feed for name in self._flow.names if (feed := self._flow.feed(name)) is not None]
        mine = [f for f in feeds if self._desk.policy.decide(principal, OPERATE, f.domain, f.force).allowed]
        expand = request.query_params.getlist("expand")
        if expand not in ([], ["status"]):
            raise Problem(400, "That was not understood", "'expand' is 'status', once, or left out.")
        if not expand:
            return JSONResponse([f"{feed.force}.{feed.domain}" for feed in mine])
        return JSONResponse({s.name: {"status": describe(s)} for s in self._flow.statuses(mine)})

    def status(self, request: Request) -> Response:
        """`GET /connectors/{name}/status`: what it does, what is asked of it, and its error."""
        return JSONResponse(describe(self._flow.status(self._operated(request))))

    def offsets(self, request: Request) -> Response:
        """`GET /connectors/{name}/offsets`: its position in its source's own terms."""
        feed = self._operated(request)
        status = self._flow.status(feed)
        partition = {"force": feed.force, "domain": feed.domain, "system": feed.system}
        return JSONResponse(
            {
                "offsets": [{"partition": partition, "offset": status.position}],
                "complete_to": _time(status.complete_to),
                "counts": status.counts,
            }
        )

    def act(self, request: Request) -> Response:
        """`PUT …/pause | resume | stop`, `POST …/restart`: kept over restarts, answered before it is done."""
        refuse_other_sites(request)
        verb = request.url.path.rpartition("/")[2]
        feed = self._operated(request)
        by, reason = self._audited(request, feed, verb)
        self._done(lambda: self._flow.ask(feed, verb, by=by, reason=reason))
        return Response(status_code=202)

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
        self._done(lambda: self._flow.backfill(feed, asked.as_value(), by=by, reason=reason))
        return JSONResponse({"id": asked.id}, 202)

    def _operated(self, request: Request) -> Feed:
        """The feed that the caller may operate; a name he may not know of is not found."""
        principal = self._desk.callers.principal(request)
        feed = self._flow.feed(request.path_params["name"])
        if feed is None or not self._desk.policy.decide(principal, OPERATE, feed.domain, feed.force).allowed:
            raise Problem(404, "Not found", "No connector has this name, or you may not operate it.")
        return feed

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


def describe(status: Status) -> dict[str, Any]:
    """A status as Kafka Connect gives it, and beside it what the hub knows besides."""
    task: dict[str, Any] = {"id": 0, "state": status.state, "worker_id": status.worker}
    if status.error:
        task["trace"] = status.error
    return {
        "name": status.name,
        "connector": {"state": status.state, "worker_id": status.worker},
        "tasks": [task],
        "type": "source",
        "asked": status.asked,
        "since": _time(status.since),
        "complete_to": _time(status.complete_to),
        "held": status.held,
        "backfill": status.progress,
    }


def _time(micros: int | None) -> str | None:
    return None if micros is None else iso_micros(micros)


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
    except (ValueError, BadQueryError) as error:
        said = str(error) if isinstance(error, BadQueryError) else "the body is not JSON."
        raise Problem(400, "That was not understood", said) from error
