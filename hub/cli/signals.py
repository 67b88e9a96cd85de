"""Telling an event from a signal's handler."""

import threading


def set_from_handler(event: threading.Event) -> None:
    """Set an event soon, without ever waiting for its lock.

    A handler runs between two steps of the main thread, which may be within `event.wait` and hold
    the lock that `event.set` takes: it would wait for itself for ever. Another thread can wait.
    """
    threading.Thread(target=event.set, name="signal", daemon=True).start()
