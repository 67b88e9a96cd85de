"""Speaks to a server byte by byte, as slowly and as wrongly as a test likes."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit

PATIENCE_SECONDS = 120


def connect(address, *, receive_buffer=None):
    """A TCP connection to the server, whose reads give up only after long."""
    made = socket.socket()
    if receive_buffer is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.settimeout(PATIENCE_SECONDS)
    made.connect((urlsplit(address).hostname, urlsplit(address).port))
    return made


def told(connection):
    """All that the server says until it closes; what was sent then may be lost with a reset."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            said += piece
    return said


class Drip:
    """Sends a byte again and again, from a thread, until the server closes or the test is through."""

    def __init__(self, connection, byte, every_seconds=0.02):
        self._connection = connection
        self._byte = byte
        self._every = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        with contextlib.suppress(OSError):
            while not self._stop.wait(self._every):
                self._connection.sendall(self._byte)
