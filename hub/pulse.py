"""How long ago each stage moved, by a clock that nobody sets.

The metrics say when, in the time of day; an age must come from elsewhere, since a clock set back
would make a stage that stands still look alive, and one set forward the reverse.
"""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

Feed = tuple[str, str, str]
"""Stage, force, domain: the labels of a feed's metrics."""


class Beat(NamedTuple):
    """When a feed last finished a step, and until when it last meant to pause before trying again.

    Both are None where that never happened.
    """

    moved: float | None = None
    tries_at: float | None = None


class Pulse:
    """The beats of one process, by feed. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._beats: dict[Feed, Beat] = {}

    def moved(self, feed: Feed) -> None:
        """Note that a step was finished, be it an empty one."""
        with self._lock:
            self._beats[feed] = self._beats.get(feed, Beat())._replace(moved=self.clock())

    def pauses(self, feed: Feed, seconds: float) -> None:
        """Note that a step failed, and is tried again after a pause."""
        with self._lock:
            self._beats[feed] = self._beats.get(feed, Beat())._replace(tries_at=self.clock() + seconds)

    def stages(self) -> dict[str, Beat]:
        """The newest beats of each stage, by its name in a process: connectors have one a feed."""
        with self._lock:
            beats = dict(self._beats)
        found: dict[str, Beat] = {}
        for (stage, force, domain), beat in beats.items():
            name = f"connect {force}/{domain}" if stage == "read" else stage
            before = found.get(name, Beat())
            found[name] = Beat(_later(before.moved, beat.moved), _later(before.tries_at, beat.tries_at))
        return found


def _later(one: float | None, other: float | None) -> float | None:
    return max((at for at in (one, other) if at is not None), default=None)
