"""Waiting for what must come true, for longer than any machine should need."""

import threading
import time

PATIENCE_SECONDS = 150
LOOK_SECONDS = 0.02


def wait_until(condition, what="it holds"):
    """Wait for a condition, looking at it often; fails in the end with `what` was waited for."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE_SECONDS} s until {what() if callable(what) else what}")
        pause.wait(LOOK_SECONDS)
