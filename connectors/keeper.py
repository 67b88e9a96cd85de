"""Keeps a connector as operators ask for it, and starts it again after it failed.

    RUNNING, PAUSED   `Connector.run`       source and producer are open
    STOPPED           waits for an order    neither is
    FAILED            waits, ever longer, and tries again; at once where it is told to restart

One that was fenced stands by: another has taken over, and would be fenced in turn. Only once nobody
has been heard for long does it come back, for then it was Kafka itself that let go of it (a request
to take over that was given up as lost and came true later), or the other has gone.
"""

import random
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress

import structlog

from connectors.loop import Connector
from connectors.orders import LOOK_SECONDS, Orders
from connectors.others import Others
from connectors.publisher import transactional_id
from connectors.source import Source
from connectors.states import States, Tell
from hub import logs
from hub.bus.contract import Bus
from hub.control import ConnectorState
from hub.errors import FencedError, HubError, TransientError, in_words
from hub.flow import GONE_AFTER_SECONDS
from hub.forces import Feed
from hub.metrics import Metrics
from hub.retry import until_stopped
from hub.schema.codec import Codec

log = structlog.get_logger()

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0
STAND_BY_SECONDS = float(GONE_AFTER_SECONDS)
"""For how long nobody may have been heard before one that was fenced comes back; twice as long each
time, since a process that reads back millions of records says nothing meanwhile."""

_RAN_WELL_SECONDS = 60.0
"""Who ran for so long before failing begins with the first pause again."""

_MOST_DOUBLINGS = 5


class Keeper:
    """A stage of a process: one feed's connector through all its states.

    `open_source` makes a source of the feed anew each time the connector starts. `longest_pause`
    bounds the pauses between tries; 0 has the first failure raised, for those whose supervisor
    starts processes again.
    """

    def __init__(
        self,
        feed: Feed,
        open_source: Callable[[], Source],
        bus: Bus,
        codec: Codec,
        metrics: Metrics,
        *,
        tell: Tell,
        longest_pause: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        self._feed = feed
        self._open_source = open_source
        self._bus = bus
        self._codec = codec
        self._metrics = metrics
        self._longest = longest_pause
        self._orders = Orders(feed, bus, codec)
        self._states = States(feed, codec, metrics, tell=tell)
        self._failures = 0
        self._fenced = 0
        metrics.declare("read", feed.force, feed.domain)

    def run(self, stop: threading.Event) -> None:
        """Keep the connector until `stop` is set. Raises failures only if told so."""
        while not stop.is_set():
            began = time.monotonic()
            try:
                self._be_as_asked(stop)
            except Exception as error:
                if not self._longest:
                    raise
                if time.monotonic() - began > _RAN_WELL_SECONDS:
                    self._failures = 0
                if isinstance(error, FencedError):
                    self._stand_by(error, stop)
                else:
                    self._try_later(error, stop)

    def _be_as_asked(self, stop: threading.Event) -> None:
        again = until_stopped(stop, longest_seconds=30, retried=self._retried, feed=str(self._feed))
        try:
            again(self._orders.look)
            if self._orders.state is not ConnectorState.STOPPED:
                self._connect(stop)
            elif self._states.state is not ConnectorState.STOPPED:
                again(self._tell_stopped)
            else:
                stop.wait(LOOK_SECONDS)
        except TransientError:
            log.info("stopped while trying again", feed=str(self._feed))

    def _connect(self, stop: threading.Event) -> None:
        with closing(self._open_source()) as source:
            Connector(
                self._feed,
                source,
                self._bus,
                self._codec,
                self._metrics,
                orders=self._orders,
                states=self._states,
                open_source=self._open_source,
            ).run(stop)

    def _tell_stopped(self) -> None:
        """Say so on the bus; whoever still published for this feed is fenced thereby."""
        with closing(self._bus.producer(transactional_id(self._feed))) as producer:
            self._states.now(producer, ConnectorState.STOPPED)

    def _stand_by(self, error: FencedError, stop: threading.Event) -> None:
        """Wait until nobody else can be at it."""
        silence = STAND_BY_SECONDS * 2.0 ** min(self._fenced, _MOST_DOUBLINGS)
        self._fenced += 1
        then = f"This one stands by, and comes back once no other has been heard for {silence:.0f} s."
        self._tell_failure(f"{in_words(error)} {then}", error, silence)
        others = Others(self._feed, self._bus, self._codec)
        if self._wait(silence, lambda: others.silent_seconds() >= silence, stop):
            log.warning("nobody else is heard, taking over again", feed=str(self._feed))

    def _try_later(self, error: Exception, stop: threading.Event) -> None:
        """Wait, longer each time; many that failed together come back apart."""
        grown = min(self._longest, FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures, 30))
        pause = grown * random.uniform(0.8, 1.0)  # noqa: S311
        self._tell_failure(in_words(error), error, pause)
        until = time.monotonic() + pause
        self._wait(pause, lambda: time.monotonic() >= until, stop)

    def _tell_failure(self, message: str, error: Exception, pause: float) -> None:
        self._failures += 1
        self._metrics.connector_failures.labels(self._feed.force, self._feed.domain).inc()
        self._states.here(ConnectorState.FAILED, message)
        self._retried(pause)
        if not isinstance(error, HubError):
            log.error("defect", feed=str(self._feed), trace=logs.trace(error))
        log.error(
            "connector failed",
            feed=str(self._feed),
            error=type(error).__name__,
            message=message,
            again_in_seconds=round(pause, 1),
        )

    def _wait(self, seconds: float, over: Callable[[], bool], stop: threading.Event) -> bool:
        """Wait until it is over, in `seconds` at the soonest, or another order comes; whether it is over."""
        asked = self._orders.state, self._orders.restarts
        while not (done := over()) and not stop.wait(min(seconds, LOOK_SECONDS)):
            with suppress(TransientError):  # asked again with the next look
                self._orders.look()
            if (self._orders.state, self._orders.restarts) != asked:
                self._failures = self._fenced = 0
                return False
        return done

    def _retried(self, pause_seconds: float) -> None:
        self._metrics.retried("read", self._feed.force, self._feed.domain, pause_seconds)
