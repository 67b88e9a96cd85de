"""One connection: HTTP/1.1 by uvicorn and h11, with deadlines that they do not know.

uvicorn closes a connection that is quiet between two requests. These do the rest: the whole head of a request
has a deadline and so has its body, however steadily they drip; a caller who does not take what is sent is
cut, and nobody stays longer than the longest life of a connection.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from hub.metrics import Metrics
from hub.serve.settings import LimitSettings

_LAST_WORDS_SECONDS = 15
"""How long a live stream, told that its connection's life ends, has to come to an end of its own."""


class Connection(H11Protocol):
    """One connection. `limits` and `metrics` are set by `connection_class`."""

    limits: ClassVar[LimitSettings]
    metrics: ClassVar[Metrics]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        limits = self.limits
        self._ends_at = self.loop.time() + limits.connection_seconds
        self.app = self._telling(self.app, transport)
        self._start("life", limits.connection_seconds + _LAST_WORDS_SECONDS, lambda: self._cut("life"))
        self._start("head", limits.header_seconds, self._late_head)

    def connection_lost(self, exc: Exception | None) -> None:
        for name in tuple(self._timers):
            self._end(name)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        if self.loop.time() >= self._ends_at and not self.transport.is_closing():
            self.transport.close()
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start("reader", self.limits.slow_reader_seconds, lambda: self._cut("reader"))

    def resume_writing(self) -> None:
        super().resume_writing()
        self._end("reader")

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has too long a head."""
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if status == 431:
            self._refused("head")
        self._last_answer(status, msg)

    def _telling(self, app: ASGIApp, transport: asyncio.Transport) -> ASGIApp:
        """Tell the app of this connection: its client's certificate, and when it ends."""
        tls = transport.get_extra_info("ssl_object")
        told = {
            "client_certificate": tls.getpeercert(binary_form=True) if tls else None,
            "ends_at": self._ends_at,
        }

        async def telling(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = scope.get("state", {}) | told
            await app(scope, receive, send)

        return telling

    def _watch(self) -> None:
        """Have the deadline run that fits what is being waited for."""
        if self.transport.is_closing():
            self._end("head")
            self._end("body")
            # What is still to be sent to one who closes must be taken in time too.
            self._start("reader", self.limits.slow_reader_seconds, self.transport.abort)
            return
        coming = self.conn.their_state
        if coming is h11.SEND_BODY:
            self._start("body", self.limits.body_seconds, lambda: self._cut("body"))
        else:
            self._end("body")
        if coming is h11.IDLE and self.conn.trailing_data[0]:
            self._start("head", self.limits.header_seconds, self._late_head)
        else:
            self._end("head")

    def _start(self, name: str, seconds: float, act: Callable[[], None]) -> None:
        if name not in self._timers:
            self._timers[name] = self.loop.call_later(seconds, act)

    def _end(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _late_head(self) -> None:
        self._refused("slow")
        self._last_answer(408, "The request did not come in time.")

    def _cut(self, why: str) -> None:
        if why != "life":
            self._refused("slow")
        self.transport.abort()

    def _refused(self, why: str) -> None:
        self.metrics.http_refused.labels(why).inc()

    def _last_answer(self, status: int, message: str) -> None:
        """Answer and close; only close where an answer is under way already."""
        if self.transport.is_closing():
            return
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.abort()
            return
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"connection", b"close"),
            *self.server_state.default_headers,
        ]
        response = h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status])
        for event in (response, h11.Data(data=message.encode()), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._watch()


def connection_class(limits: LimitSettings, metrics: Metrics) -> type[Connection]:
    """The class of one server's connections, which uvicorn makes itself."""
    return type("LimitedConnection", (Connection,), {"limits": limits, "metrics": metrics})
