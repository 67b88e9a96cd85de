"""A network that can be cut: a TCP proxy on 127.0.0.1 between the hub and what it talks to."""

import contextlib
import socket
import struct
import threading

_RESET = struct.pack("ii", 1, 0)


class Network:
    """Passes bytes to and from `target`, a port of 127.0.0.1, until it is told otherwise."""

    def __init__(self, target):
        self._target = target
        self._passing = threading.Event()
        self._passing.set()
        self._rubbish = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = None
        self._closed = False
        self._threads: list[threading.Thread] = []
        self.port = 0
        self._listen()

    def cut(self):
        """Refuse connections, and reset those there are."""
        self._unlisten()
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    each.shutdown(socket.SHUT_RDWR)

    def swallow(self):
        """Take connections and bytes, and pass on nothing, as where packets are dropped."""
        self._passing.clear()

    def answer(self, rubbish):
        """Answer whoever connects with these bytes."""
        self.cut()
        self._rubbish = rubbish
        self._listen()

    def heal(self):
        self._passing.set()
        if self._rubbish is not None:
            self.cut()
            self._rubbish = None
        if self._listener is None:
            self._listen()

    def close(self):
        self._closed = True
        self._passing.set()
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def _listen(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(100)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._run(self._accept, listener)

    def _unlisten(self):
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _run(self, act, *arguments):
        thread = threading.Thread(target=act, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                self._run(self._serve, near)

    def _serve(self, near):
        with self._holding(near):
            if self._rubbish is not None:
                near.sendall(self._rubbish)
                return
            self._passing.wait()
            if self._closed:
                return
            with self._holding(socket.create_connection(("127.0.0.1", self._target))) as far:
                back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
                back.start()
                self._pump(near, far)
                back.join()

    @contextlib.contextmanager
    def _holding(self, each):
        """Keep a connection while it is open; what breaks it is no failure here."""
        with self._lock:
            self._open.add(each)
        try:
            with contextlib.suppress(OSError):
                yield each
        finally:
            with self._lock:
                self._open.discard(each)
            each.close()

    def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._passing.wait()
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
