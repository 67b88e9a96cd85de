"""Telling an event from a signal's handler."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def set_from_handler(event: threading.Event) -> None:
    """Set an event soon, without ever waiting for its lock.

    A handler runs between two steps of the main thread, which may be within `event.wait` and hold
    the lock that `event.set` takes: it would wait for itself for ever. Another thread can wait.
    """
    threading.Thread(target=event.set, name="signal", daemon=True).start()


@contextmanager
def set_by(event: threading.Event, *numbers: int) -> Iterator[None]:
    """Have these signals set an event meanwhile, where this is the main thread: no other can say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        del number, frame
        set_from_handler(event)

    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
