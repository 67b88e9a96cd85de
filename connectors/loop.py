"""The publish loop of one feed: read, check, encode, send, keep the position."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from tenacity import Retrying

from connectors.again import Again
from connectors.backfill import Backfiller
from connectors.orders import Orders
from connectors.publisher import Publisher, transactional_id
from connectors.removals import Removals
from connectors.replays import Replays
from connectors.source import Batch, Source
from connectors.sources.stated import columns
from connectors.states import States
from connectors.tally import Tally
from connectors.window import Window
from hub.bus.contract import Bus, Producer
from hub.control import ConnectorState
from hub.errors import FencedError, HubError, TransientError, in_words
from hub.forces import Feed
from hub.kill_points import reached
from hub.metrics import Metrics
from hub.retry import until_stopped
from hub.schema.codec import Codec

log = structlog.get_logger()

_LONGEST_PAUSE_SECONDS = 30
_LOOK_SECONDS = 0.1
_PAUSED_SECONDS = 1.0


class Connector:
    """Publishes what changes in one source. One process a feed: a second one fences the first.

    It does as operators ask: paused it keeps everything open and reads nothing; it ends where
    it is to be stopped or started anew, which `connectors/keeper.py` sees to.
    """

    def __init__(
        self,
        feed: Feed,
        source: Source,
        bus: Bus,
        codec: Codec,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.time,
        orders: Orders | None = None,
        states: States | None = None,
        open_source: Callable[[], Source] | None = None,
    ) -> None:
        """`open_source` makes the second source that a backfill reads; without it there are none."""
        self._feed = feed
        self._source = source
        self._bus = bus
        self._codec = codec
        self._clock = clock
        self._orders = orders or Orders(feed, bus, codec)
        self._states = states or States(feed, codec, metrics, clock=clock)
        self._fields = [column.field for column in columns(feed)]
        self._tally = Tally(feed, metrics, clock)
        self._poll_seconds = float(feed.source.get("poll_seconds", 0.1))
        self._window = Window(feed, float(feed.source.get("max_bad_percent", 50)))
        self._backfill = Backfiller(feed, open_source)
        self._again: Again | None = None
        self._removals = Removals(feed, bus, held=self._held, removed=self._backfill.met)
        self._replays = Replays(feed, bus, codec)
        self._producer: Producer | None = None
        self._publisher: Publisher | None = None

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop` is set or operators ask it to end, through whatever may mend by itself.

        Raises what a person must act on: `ConfigurationError`, `SourceChangedError`,
        `FencedError`. A mass deletion waits here until a person accepts it.
        """
        pauses, who = _LONGEST_PAUSE_SECONDS, str(self._feed)
        again = until_stopped(stop, longest_seconds=pauses, retried=self._tally.retried, feed=who)
        self._orders.begin()
        if self._states.state is not ConnectorState.FAILED:  # a failed one has to show that it runs
            self._states.here(ConnectorState.RUNNING)
        try:
            while not stop.is_set() and not again(self._orders.leave):
                if not again(self._turn, stop):
                    self._wait(again, stop)
            self._leave(stop)
        except TransientError:
            log.info("stopped while trying again", feed=str(self._feed))
        except Exception as error:
            self._failed(error)
            raise
        finally:
            self._let_go()
            self._close_producer()

    def _turn(self, stop: threading.Event) -> bool:
        """One batch from source to bus; whether more is waiting."""
        producer, publisher = self._open()
        paused = self._orders.state is ConnectorState.PAUSED
        began = time.monotonic()
        batch = None if paused else self._read(producer, publisher)
        try:
            if batch is None:
                publisher.keep(publisher.position, None, self._now())
                self._states.now(producer, ConnectorState.PAUSED)
            elif self._publish(publisher, batch, lambda: stop.is_set() or self._orders.leave()):
                self._states.now(producer, ConnectorState.RUNNING)
                self._beside(None if batch.more else began)
            else:
                self._let_go()  # a snapshot that was left half-way is read again from its start
        except TransientError:
            self._let_go()
            raise
        self._tally.moved()
        self._tally.held(0)
        return batch is not None and batch.more

    def _wait(self, again: Retrying, stop: threading.Event) -> None:
        """Wait until the next batch is due or the orders change; what was asked for goes on meanwhile."""
        state = self._orders.state
        runs = state is ConnectorState.RUNNING
        due = time.monotonic() + (self._poll_seconds if runs else min(self._poll_seconds, _PAUSED_SECONDS))
        while (left := due - time.monotonic()) > 0 and not stop.is_set():
            if not runs or not again(self._beside):
                stop.wait(min(left, _LOOK_SECONDS))
            self._tally.moved()
            if again(self._orders.leave) or self._orders.state is not state:
                return

    def _read(self, producer: Producer, publisher: Publisher) -> Batch:
        reached(1, "connect.read:before")
        try:
            batch = self._source.read(self._again.position if self._again else publisher.position)
        except TransientError as error:
            self._states.trouble(producer, str(error))
            raise
        reached(1, "connect.read:after")
        return batch

    def _publish(self, publisher: Publisher, batch: Batch, over: Callable[[], bool]) -> bool:
        """Publish what a batch changes and keep the position after it; False where it was `over` before."""
        now = self._now()
        for note in batch.notes:
            log.warning("source", feed=str(self._feed), note=note)
        self._tally.copies(batch.copies)
        if not batch.keys_only:
            self._backfill.met([row.key for row in batch.rows if row.key is not None], now)
        if batch.anew and self._again is None:
            self._again = Again.begin(publisher, batch.position, now)
        if self._again is not None and self._again.takes(batch):
            self._again.read(publisher, batch, self._window, now)
            if batch.more:
                return True
        else:
            self._compare(publisher, batch, now)
        if batch.snapshot_ends and not self._removals.derive(publisher, batch.snapshot, now, over):
            return False
        if self._again is not None and not batch.more:
            self._again.end(publisher)
            self._again = None
        publisher.keep(batch.position, batch.complete_to, now)
        self._tally.complete_to(batch.complete_to)
        return True

    def _compare(self, publisher: Publisher, batch: Batch, now: int) -> None:
        """Publish what of a batch is news, unless most of it is bad (invariant 7)."""
        found = publisher.changes.of(batch)
        self._window.check(batch, found.bad)
        publisher.take(found, now)

    def _beside(self, live_since: float | None = None) -> bool:
        """Take in what operators asked to be taken again, a bounded piece; whether more may be at once."""
        producer, publisher, orders, now = self._producer, self._publisher, self._orders, self._now()
        if producer is None or publisher is None:
            return False
        try:
            more = self._backfill.step(publisher, orders.backfill, now, live_since=live_since)
            self._replays.take(publisher, orders.replays, now)
            self._states.now(producer, ConnectorState.RUNNING)
        except TransientError:
            self._let_go()
            raise
        return more

    def _open(self) -> tuple[Producer, Publisher]:
        if self._producer is None:
            reached(1, "connect.fence:before")
            self._producer = self._bus.producer(transactional_id(self._feed))
            reached(1, "connect.fence:after")
        if self._publisher is None:
            tally = self._tally
            self._publisher = Publisher(
                self._feed, self._fields, self._bus, self._codec, self._producer, tally.count, tally.moved
            )
            self._backfill.take_over(self._publisher)
            if Again.is_due(self._publisher):
                self._again = Again(self._publisher.position)
            self._tally.complete_to(self._publisher.positions.complete_to)
        return self._producer, self._publisher

    def _leave(self, stop: threading.Event) -> None:
        """Keep what is left, and tell that it is stopped where that was asked for, else that it ends."""
        if self._publisher is not None:
            self._publisher.keep(self._publisher.position, None, self._now(), now=True)
        if self._producer is None:
            return
        if self._orders.state is ConnectorState.STOPPED:
            self._states.now(self._producer, ConnectorState.STOPPED)
        elif stop.is_set() and self._states.state is not ConnectorState.FAILED:
            with suppress(FencedError):  # whoever has taken over says how it is
                self._states.farewell(self._producer)

    def _failed(self, error: Exception) -> None:
        """Tell of it while that is still possible; who was fenced may write nothing more."""
        message = in_words(error)
        self._states.here(ConnectorState.FAILED, message)
        self._let_go()
        if self._producer is not None and not isinstance(error, FencedError):
            with suppress(TransientError):
                self._states.now(self._producer, ConnectorState.FAILED, message)

    def _held(self, error: HubError, removals: int) -> None:
        self._tally.held(removals)
        if self._producer is not None:
            self._states.now(self._producer, ConnectorState.FAILED, str(error))

    def _let_go(self) -> None:
        self._backfill.let_go()
        again, self._again = self._again, None
        if again is not None:
            again.close()
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()

    def _close_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(TransientError):  # all that was to be kept is committed
                producer.close()

    def _now(self) -> int:
        return int(self._clock() * 1_000_000)
