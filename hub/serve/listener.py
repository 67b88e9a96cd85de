"""Runs one HTTP server in a thread: uvicorn, behind our own door and on connections with deadlines."""

import asyncio
import threading
import time
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from hub.errors import ConfigurationError
from hub.metrics import Metrics
from hub.serve.door import Door
from hub.serve.headers import security_headers
from hub.serve.settings import LimitSettings
from hub.serve.tls import Tls
from hub.serve.wire import connection_class

_GRACE_SECONDS = 2
"""How long an answer under way has when the process stops."""


class Listener:
    """An app served on one port from the moment it is made; `address` is where.

    Raises `EnvironmentMissingError` where the port cannot be had.
    """

    def __init__(
        self, app: ASGIApp, host: str, port: int, limits: LimitSettings, metrics: Metrics, tls: Tls | None
    ) -> None:
        self.app = app
        door = Door(host, port, limits, metrics)
        name = f"[{host}]" if ":" in host else host
        self.address = f"{'https' if tls else 'http'}://{name}:{door.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            http=connection_class(limits, metrics),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # anybody could name another address there
            server_header=False,
            headers=security_headers(tls=tls is not None),
            h11_max_incomplete_event_size=limits.header_bytes,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            ssl_context_factory=(lambda *_: tls.context) if tls else None,
        )
        self._server = _Server(config, limits.handshake_seconds)
        self._thread = threading.Thread(
            target=self._server.run, args=([door],), name=f"http {door.getsockname()[1]}", daemon=True
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise ConfigurationError(f"The HTTP server did not start on {self.address}.")
            time.sleep(0.01)

    def stop(self) -> None:
        """Take no more requests; answers under way have a moment. Returns at once."""
        self._server.should_exit = True

    def join(self) -> None:
        """Return once the last answer was given, or its moment is over."""
        self._thread.join(_GRACE_SECONDS + 1)


class _Server(uvicorn.Server):
    """uvicorn's server, with a deadline for the TLS handshake; it has no setting of its own for it."""

    def __init__(self, config: uvicorn.Config, handshake_seconds: float) -> None:
        super().__init__(config)
        self._handshake_seconds = handshake_seconds

    async def startup(self, sockets: Any = None) -> None:
        loop = asyncio.get_running_loop()
        create = loop.create_server

        def limited(*args: Any, **more: Any) -> Any:
            if more.get("ssl") is not None:
                more["ssl_handshake_timeout"] = self._handshake_seconds
            return create(*args, **more)

        loop.create_server = limited  # type: ignore[method-assign]
        await super().startup(sockets)
