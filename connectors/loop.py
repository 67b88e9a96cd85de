"""The publish loop of one feed: read, check, encode, send, keep the position."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from connectors.changes import Found
from connectors.positions import ACCEPTED, HELD
from connectors.publisher import Publisher
from connectors.removals import Held, accepted, held_error, is_too_many, wait_for_acceptance
from connectors.source import Batch, Source
from connectors.sources.stated import columns
from connectors.window import Window
from hub.bus.contract import Bus, Producer
from hub.errors import BadRecordError, FatalError, HubError, TransientError
from hub.forces import Feed
from hub.kill_points import reached
from hub.metrics import Metrics
from hub.retry import until_stopped
from hub.schema.codec import Codec

log = structlog.get_logger()

_STAGE = "read"
_LONGEST_PAUSE_SECONDS = 30
_REMOVALS_AT_ONCE = 1000


class Connector:
    """Publishes what changes in one source. One process a feed: a second one fences the first."""

    def __init__(
        self,
        feed: Feed,
        source: Source,
        bus: Bus,
        codec: Codec,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._feed = feed
        self._source = source
        self._bus = bus
        self._codec = codec
        self._metrics = metrics
        self._clock = clock
        self._fields = [column.field for column in columns(feed)]
        self._labels = (_STAGE, feed.force, feed.domain)
        self._max_removed_percent = float(feed.source.get("max_removed_percent", 5))
        self._poll_seconds = float(feed.source.get("poll_seconds", 0.1))
        self._window = Window(feed, float(feed.source.get("max_bad_percent", 50)))
        self._producer: Producer | None = None
        self._publisher: Publisher | None = None
        metrics.declare(*self._labels)

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop` is set, through whatever may mend by itself.

        Raises what a person must act on: `ConfigurationError`, `SourceChangedError`,
        `FencedError`. A mass deletion waits here until a person accepts it.
        """
        again = until_stopped(
            stop, longest_seconds=_LONGEST_PAUSE_SECONDS, retried=self._retried, feed=str(self._feed)
        )
        self._stopped(0)
        try:
            while not stop.is_set():
                if not again(self._turn, stop):
                    stop.wait(self._poll_seconds)
            if self._publisher is not None:
                self._publisher.keep(self._publisher.position, None, self._now(), now=True)
        except TransientError:
            log.info("stopped while trying again", feed=str(self._feed))
        except HubError:
            self._stopped(1)
            raise
        finally:
            self._let_go()
            self._close_producer()

    def _turn(self, stop: threading.Event) -> bool:
        """One batch from source to bus; whether more is waiting."""
        publisher = self._publisher or self._open()
        reached(1, "connect.read:before")
        batch = self._source.read(publisher.position)
        reached(1, "connect.read:after")
        try:
            self._publish(publisher, batch, stop)
        except TransientError:
            self._let_go()
            raise
        self._metrics.moved(*self._labels, self._clock())
        return batch.more

    def _publish(self, publisher: Publisher, batch: Batch, stop: threading.Event) -> None:
        now = self._now()
        found = publisher.changes.of(batch)
        self._window.check(batch, found.bad)
        self._send(publisher, found, now)
        if batch.snapshot_ends and not self._remove_unseen(publisher, batch, now, stop):
            return
        publisher.keep(batch.position, batch.complete_to, now)
        self._tell_complete_to(batch.complete_to)
        for note in batch.notes:
            log.warning("source", feed=str(self._feed), note=note)

    def _send(self, publisher: Publisher, found: Found, now: int) -> None:
        published, dead = publisher.publish(found.changes, found.dead, now)
        self._count(
            publisher,
            read=found.read,
            published=published,
            dead_lettered=dead,
            other_force=found.other_force,
            unchanged=found.unchanged + len(found.changes) + len(found.dead) - published - dead,
        )

    def _remove_unseen(self, publisher: Publisher, batch: Batch, now: int, stop: threading.Event) -> bool:
        """Derive the deletions of a whole snapshot, in bounded parts; False where it was stopped.

        The last part is left open, to be committed with the position.
        """
        removals, live = publisher.state.count_unseen()
        if is_too_many(removals, live, self._max_removed_percent):
            publisher.part(now)
            if not self._accepted(publisher, Held(removals, live), stop):
                return False
        while chunk := publisher.changes.removals(_REMOVALS_AT_ONCE, f"not in snapshot {batch.snapshot}"):
            reached(5, "connect.removals:before")
            publisher.part(now)
            published, dead = publisher.publish(chunk, (), now)
            self._count(publisher, derived=len(chunk), published=published, dead_lettered=dead)
            reached(5, "connect.removals:after")
        publisher.state.end_snapshot()
        publisher.forget(HELD, ACCEPTED)
        return True

    def _accepted(self, publisher: Publisher, held: Held, stop: threading.Event) -> bool:
        if accepted(publisher.positions) >= held.removals:
            return True
        error = held_error(self._feed, held)
        log.error("held", feed=str(self._feed), message=str(error))
        publisher.put(HELD, held._asdict(), self._now())
        self._stopped(1)
        try:
            return wait_for_acceptance(self._feed, self._bus, publisher.positions, held.removals, stop)
        finally:
            self._stopped(0)

    def _open(self) -> Publisher:
        reached(1, "connect.fence:before")
        if self._producer is None:
            self._producer = self._bus.producer(f"{self._feed.force}.{self._feed.domain}.connector")
        reached(1, "connect.fence:after")
        try:
            publisher = Publisher(self._feed, self._fields, self._bus, self._codec, self._producer)
        except BadRecordError as error:
            raise FatalError(
                f"{self._feed}: what it published before cannot be read back, and without it versions would "
                f"begin anew: {error}. Find who else writes to {self._feed.force}'s topics."
            ) from error
        self._publisher = publisher
        self._tell_complete_to(publisher.positions.complete_to)
        return publisher

    def _let_go(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()

    def _close_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(TransientError):  # all that was to be kept is committed
                producer.close()

    def _count(self, publisher: Publisher, **amounts: int) -> None:
        publisher.count(amounts)
        for name, amount in amounts.items():
            self._metrics.records.labels(*self._labels, name).inc(amount)

    def _tell_complete_to(self, micros: int | None) -> None:
        if micros is not None:
            self._metrics.complete_to.labels(*self._labels).set(micros / 1_000_000)

    def _retried(self, pause_seconds: float) -> None:
        self._metrics.retried(*self._labels, pause_seconds)

    def _stopped(self, value: int) -> None:
        self._metrics.stopped.labels(*self._labels).set(value)

    def _now(self) -> int:
        return int(self._clock() * 1_000_000)
