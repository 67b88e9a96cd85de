"""`alliance-hub reconcile --every`: compares again and again, and tells what it finds as metrics."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from hub.errors import HubError
from hub.forces import Feed
from hub.metrics import Metrics

if TYPE_CHECKING:
    from connectors.looks import Result

log = structlog.get_logger()

STAGE = "reconcile"
_BEAT_SECONDS = 0.5
_BEHIND_PAUSE_SECONDS = 60.0
"""What differs in a view that is behind may be on its way, so it is looked at again so soon."""

Step = Callable[[], None]
"""To be called with every step of a comparison, however short; raises where it is to end."""


class _AskedToStopError(Exception):
    """Ends a comparison under way. It is no fault, and no `HubError`."""


class Reconciler:
    """Compares each feed in turn, then rests until it is time again.

    What cannot be compared keeps the numbers of the last time and the time they are of, and is
    tried again the next time.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        compare: Callable[[Feed, Step], "Result"],
        metrics: Metrics,
        *,
        every_seconds: float,
    ) -> None:
        self._feeds = feeds
        self._compare = compare
        self._metrics = metrics
        self._every = every_seconds
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        self._stop = stop
        try:
            while True:
                began = time.monotonic()
                behind = [self._reconcile(feed) for feed in self._feeds]
                pause = min(self._every, _BEHIND_PAUSE_SECONDS) if any(behind) else self._every
                self._rest(began + pause)
        except _AskedToStopError:
            return

    def _reconcile(self, feed: Feed) -> bool:
        """Compare one feed; whether the view was behind."""
        from connectors.looks import DIFFERENCES

        try:
            result = self._compare(feed, self._step)
        except HubError as error:
            log.warning("reconciliation failed", force=feed.force, domain=feed.domain, message=str(error))
            return False
        found = {kind: result.kinds[kind] for kind in DIFFERENCES}
        self._metrics.reconciled(feed.force, feed.domain, found, time.time())
        return result.behind

    def _rest(self, until: float) -> None:
        self._step()
        while (left := until - time.monotonic()) > 0:
            self._stop.wait(min(left, _BEAT_SECONDS))
            self._step()

    def _step(self) -> None:
        if self._stop.is_set():
            raise _AskedToStopError
        self._metrics.pulse.moved((STAGE, "", ""))
