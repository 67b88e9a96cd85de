"""The server's own stage: sees whether its store answers, so that `/readyz` can say so."""

import threading
import time

import structlog

from hub.errors import TransientError
from hub.metrics import Metrics
from hub.retry import until_stopped
from hub.view.store import Store

log = structlog.get_logger()

STAGE = "serve"
_EVERY_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 10
_LABELS = (STAGE, "", "")


class StoreWatch:
    """Asks the store once a second, for a server alone notices nothing until somebody asks it."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop` is set, through whatever may mend by itself."""
        again = until_stopped(
            stop, longest_seconds=_LONGEST_PAUSE_SECONDS, retried=self._retried, stage=STAGE
        )
        try:
            while not stop.wait(_EVERY_SECONDS):
                again(self._store.fresh)
                self._metrics.moved(*_LABELS, time.time())
        except TransientError:
            log.info("stopped while trying again", stage=STAGE)

    def _retried(self, pause_seconds: float) -> None:
        self._metrics.retried(*_LABELS, pause_seconds)
