"""A route that refuses as Kafka Connect does: `{"error_code": …, "message": …}`."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from hub.errors import HubError
from hub.serve.connect_shapes import refusal
from hub.serve.problem import Problem, failure

Endpoint = Callable[[Request], Any]

_PATHS = ("/connectors", "/connector-plugins")


class ConnectRoute(Route):
    """One route of Connect's API; what its endpoint raises is answered in Connect's shape.

    All methods of a path belong to one route: it refuses the others, which the page behind it would take.
    """

    def __init__(self, path: str, endpoint: Endpoint, methods: list[str] | None = None) -> None:
        super().__init__(path, _refusing(endpoint), methods=methods or ["GET"])

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        return (Match.FULL if match is Match.PARTIAL else match), child

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in (self.methods or set()):
            headers = {"Allow": ", ".join(sorted(self.methods or set()))}
            refused = _answer(405, "HTTP 405 Method Not Allowed", headers)
            await refused(scope, receive, send)
            return
        await super().handle(scope, receive, send)


class JsonRoot(ConnectRoute):
    """`GET /` for who wants JSON; a browser, which wants HTML, is given the page that lies there too."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = Route.matches(self, scope)
        return (match, child) if match is Match.FULL and _wants_json(scope) else (Match.NONE, {})


def refusal_of(scope: Scope, problem: Problem) -> Response:
    """The answer where a request was refused before its route: in Connect's shape below Connect's paths."""
    path: str = scope["path"]
    if path in _PATHS or path.startswith("/connectors/") or (path == "/" and _wants_json(scope)):
        return _refused(problem)
    return problem.response()


def unrouted(request: Request, error: Exception) -> Response:
    """Starlette's handler for what no route, or no file of the page, answers."""
    assert isinstance(error, HTTPException)
    said = f"HTTP {error.status_code} {error.detail}"  # the very words of Connect
    problem = Problem(error.status_code, error.detail, said, headers=error.headers)
    return refusal_of(request.scope, problem)


def _wants_json(scope: Scope) -> bool:
    accept = Request(scope).headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def _refusing(endpoint: Endpoint) -> Endpoint:
    if inspect.iscoroutinefunction(endpoint):

        @functools.wraps(endpoint)
        async def waited(request: Request) -> Response:
            try:
                answer: Response = await endpoint(request)
            except (Problem, HubError) as error:
                return _refused(error)
            return answer

        return waited

    @functools.wraps(endpoint)
    def called(request: Request) -> Response:
        try:
            answer: Response = endpoint(request)
        except (Problem, HubError) as error:
            return _refused(error)
        return answer

    return called


def _refused(error: Problem | HubError) -> Response:
    problem = error if isinstance(error, Problem) else failure(error)
    return _answer(problem.status, problem.detail, problem.headers)


def _answer(code: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(refusal(code, message), code, headers)
