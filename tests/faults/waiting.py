"""Waiting for what must come true, for longer than any machine should need."""

import threading
import time

PATIENCE_SECONDS = 150


def wait_until(holds, what):
    """Wait for a condition, looking at it often; fails in the end with what was waited for."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS} s until {what()}"
        pause.wait(0.1)
