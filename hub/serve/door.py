"""The listening socket: so many connections and no more, counted before anything is read or agreed."""

import socket
from collections import Counter
from typing import Any

from hub.errors import EnvironmentMissingError
from hub.metrics import Metrics
from hub.serve.settings import LimitSettings


class Door(socket.socket):
    """Lets in as many connections as the limits allow, of all and of each address; closes the others."""

    def __init__(self, host: str, port: int, limits: LimitSettings, metrics: Metrics) -> None:
        super().__init__(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._limits = limits
        self._metrics = metrics
        self._inside: list[tuple[socket.socket, str]] = []
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.bind((host, port))
        except OSError as error:
            self.close()
            raise EnvironmentMissingError(
                f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port, 0 for any."
            ) from error

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept the next connection that may come in; `BlockingIOError` once nobody waits."""
        while True:
            connection, peer = super().accept()
            address = str(peer[0])
            if self._full(address):
                self._metrics.http_refused.labels("connections").inc()
                connection.close()
                continue
            self._inside.append((connection, address))
            return connection, peer

    def _full(self, address: str) -> bool:
        self._inside = [each for each in self._inside if each[0].fileno() != -1]
        of = Counter(address for _, address in self._inside)
        return len(self._inside) >= self._limits.connections or (
            of[address] >= self._limits.connections_per_address
        )
