"""Before every route: who asks, how often, and how much they send.

A route needs do nothing to be guarded: whatever is not named here as open is refused to those who are
not known. What a route allows to whom it decides itself, by `Policy.decide`.
"""

import math
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.access import ALL_FORCES, OBSERVE, Policy, Principal
from hub.metrics import Metrics
from hub.serve.caller import Callers
from hub.serve.connect_route import refusal_of
from hub.serve.problem import Problem
from hub.serve.rate import Rate
from hub.serve.settings import LimitSettings

HEALTH = frozenset({"/livez", "/readyz"})
METRICS = "/metrics"


def shell(page: Path) -> frozenset[str]:
    """The paths of the page's own files.

    They hold no data and are the same for everybody, and a browser needs them to ask a person for a
    token; everything shown in them is asked for with it.
    """
    files = {f"/{file.relative_to(page).as_posix()}" for file in page.rglob("*") if file.is_file()}
    return frozenset(files | {"/"})


class Guard:
    """ASGI middleware. `open_paths` may be read without a token, and nothing else but `HEALTH`."""

    def __init__(
        self,
        app: ASGIApp,
        callers: Callers,
        policy: Policy,
        limits: LimitSettings,
        metrics: Metrics,
        open_paths: frozenset[str],
    ) -> None:
        self._app = app
        self._callers = callers
        self._policy = policy
        self._limits = limits
        self._metrics = metrics
        self._open = open_paths
        self._rate = Rate(limits.requests_per_second, limits.request_burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._admit(scope)
        except Problem as problem:
            if problem.status in {413, 429, 431}:
                self._metrics.http_refused.labels(_WHY[problem.status]).inc()
            await refusal_of(scope, problem)(scope, receive, send)
            return
        body = _Body(receive, self._limits.body_bytes)
        try:
            await self._app(scope, body.receive, send)
        except ClientDisconnect:
            return  # nobody is left to answer
        finally:
            if body.too_long:
                self._metrics.http_refused.labels(_WHY[413]).inc()

    def _admit(self, scope: Scope) -> None:
        """Raise the `Problem` for which a request is refused; else remember whose it is."""
        head = len(scope["raw_path"]) + len(scope["query_string"])
        head += sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        if head > self._limits.header_bytes:
            raise Problem(431, "Too much", f"Line and headers are up to {self._limits.header_bytes} bytes.")
        request = Request(scope)
        principal, refused = self._who(request)
        if not self._callers.local:
            self._in_time(scope, principal)
        if refused is not None:
            raise refused
        if principal is not None:
            request.state.principal = principal
            if scope["path"] == METRICS and not self._may_observe(principal):
                raise Problem(403, "Not allowed", f"'{principal.name}' does not hold the role monitor.")
        length = request.headers.get("content-length", "0")
        if length.isdigit() and int(length[:20]) > self._limits.body_bytes:
            raise too_long(self._limits.body_bytes)

    def _who(self, request: Request) -> tuple[Principal | None, Problem | None]:
        """Who asks, and why they are refused where it is not open to all."""
        path, reads = request.scope["path"], request.scope["method"] in {"GET", "HEAD"}
        if reads and path in HEALTH:
            return None, None
        try:
            return self._callers.authenticate(request), None
        except Problem as problem:
            return None, None if reads and path in self._open else problem

    def _in_time(self, scope: Scope, principal: Principal | None) -> None:
        """Count the request: for its principal, else for its address; health checks apart from the rest."""
        if principal is not None:
            caller = ("principal", principal.name)
        else:
            kind = "health" if scope["path"] in HEALTH else "address"
            caller = (kind, scope["client"][0] if scope.get("client") else "")
        wait = self._rate.wait(caller)
        if wait:
            seconds = str(math.ceil(wait))
            raise Problem(429, "Too often", f"Ask again in {seconds} s.", headers={"Retry-After": seconds})

    def _may_observe(self, principal: Principal) -> bool:
        return self._policy.decide(principal, OBSERVE, "", ALL_FORCES).allowed


_WHY = {413: "body", 429: "rate", 431: "head"}


def too_long(most: int) -> Problem:
    return Problem(413, "Too much", f"The body is up to {most} bytes.")


class _Body:
    """Receives a body up to its longest length, whatever its head promised."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._most = most
        self._got = 0
        self.too_long = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._got += len(message.get("body", b""))
        if self._got > self._most:
            self.too_long = True
            raise too_long(self._most)
        return message
