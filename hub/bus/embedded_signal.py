"""A bell between the threads of one process: somebody has committed."""

import threading


class Signal:
    def __init__(self) -> None:
        self.count = 0
        self._rung = threading.Condition()

    def ring(self) -> None:
        with self._rung:
            self.count += 1
            self._rung.notify_all()

    def wait(self, heard: int, timeout_seconds: float) -> None:
        """Return at once if it rang since `count` was `heard`, else when it rings or time is up."""
        with self._rung:
            if self.count == heard:
                self._rung.wait(timeout_seconds)
