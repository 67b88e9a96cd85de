"""The projecting loop: poll, decode, apply and keep the offset, in one transaction; tell how fresh it is."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import structlog

from hub.bus.contract import Bus, Consumer, TopicPartition
from hub.domains import DOMAINS
from hub.errors import ConfigurationError, FencedError, StoreAwayError, TransientError
from hub.forces import Force
from hub.kill_points import reached
from hub.metrics import Metrics
from hub.retry import until_stopped
from hub.schema.codec import Codec
from hub.tracing import spans
from hub.view.another_bus import refuse_offsets_beyond
from hub.view.dead_letters import DeadLetters
from hub.view.freshness import FreshnessPipeline
from hub.view.intake import Erased, Intake
from hub.view.session import Applied, Batch, Kept, Move
from hub.view.store import Store
from hub.view.tally import STAGE, Tally
from hub.view.telling import Telling

log = structlog.get_logger()

GROUP = "hub.view"
TOPICS = tuple(domain.topic for domain in DOMAINS.values())
POLL_SECONDS = 0.1
POLL_RECORDS = 2000
TEND_SECONDS = 0.25
REPORT_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 10
MOST_FENCED = 5
FENCED_SECONDS = 60.0
"""A view whose offsets others move this often is not being relieved: two sets share a store."""


class View:
    """Keeps a store up to date with the alliance topics.

    Several may run on Kafka with PostgreSQL, each with an `instance` of its own; the bus gives
    each its partitions. The truth about what was read is in the store (invariant 2): the
    group's offsets on the bus are for lag tools.
    """

    def __init__(
        self,
        bus: Bus,
        store: Store,
        codec: Codec,
        forces: Mapping[str, Force],
        metrics: Metrics,
        *,
        instance: str = "1",
        clock: Callable[[], float] = time.time,
        erased: Erased = MappingProxyType({}),
    ) -> None:
        feeds = [feed for force in forces.values() for feed in force.feeds.values()]
        self._bus = bus
        self._store = store
        self._instance = instance
        self._clock = clock
        self._feeds = [(feed.force, feed.domain) for feed in feeds]
        self._intake = Intake(codec, list(forces), erased)
        self._dead_letters = DeadLetters(bus, codec, instance)
        self._freshness = FreshnessPipeline(bus, codec, feeds)
        self._tally = Tally(metrics, feeds)
        self._spans = spans(STAGE)
        self._consumer: Consumer | None = None
        self._kept: dict[TopicPartition, int] = {}
        self._counted_to: dict[TopicPartition, int] = {}
        self._telling = Telling(clock)
        self._astray: TransientError | None = None
        self._fenced: deque[float] = deque(maxlen=MOST_FENCED)
        self.taken = 0
        self._tended_at = self._reported_at = float("-inf")

    def run(self, stop: threading.Event, *, done: Callable[[], bool] = lambda: False) -> None:
        """Project until `stop` is set or `done` says so, through whatever may mend by itself.

        Raises what a person must act on. A store or bus that fails stops the progress and
        nothing is skipped (invariant 6).
        """
        again = until_stopped(
            stop, longest_seconds=LONGEST_PAUSE_SECONDS, retried=self._tally.retried, stage=STAGE
        )
        self._tally.stopped(0)
        try:
            while not stop.is_set() and not again(done):
                again(self.step)
            again(self._report)
        except TransientError:
            log.info("stopped while trying again", stage=STAGE)
        except Exception as error:
            self._tally.stopped(1)
            self._tell_error(error)
            raise
        finally:
            self.close()

    def step(self) -> int:
        """One round; the number of records taken in. After an error the next one reads the store anew."""
        try:
            count = self._project()
            now = self._clock()
            if _is_due(self._tended_at, TEND_SECONDS, now):
                self._pass_gaps()
                self._tell_freshness(now)
                self._tended_at = now
            idle = False
            if _is_due(self._reported_at, REPORT_SECONDS, now):
                idle = not self._report()
                self._reported_at = now
            if count or idle:  # a poll without records may be one that no broker answered
                self._tally.progress(now)
        except TransientError as error:
            if self._spans is not None:
                self._spans.drop()
            self._astray = error
            self._freshness.forget()
            if isinstance(error, StoreAwayError):  # a bus that is away could not be told
                self._tell_error(error)
            self._leave_unless_assigned()
            raise
        return count

    def reached(self) -> Mapping[TopicPartition, int]:
        """The next offset of every partition, as kept in the store."""
        return {partition: kept.next_offset for partition, kept in self._store.kept(TOPICS).items()}

    def close(self) -> None:
        """Leave the group. A later `step` joins anew."""
        consumer, self._consumer = self._consumer, None
        self._kept.clear()
        self._telling.forget()
        if consumer is not None:
            consumer.close()
        self._dead_letters.close()
        self._freshness.close()

    def _project(self) -> int:
        consumer = self._consumer or self._join()
        if self._astray is not None:
            self._astray = None
            self._intake.forget()
            self._begin_at_kept(consumer, consumer.assignment())
        received = consumer.poll(timeout_seconds=POLL_SECONDS, max_records=POLL_RECORDS)
        if self._astray is not None:  # the store did not answer while partitions were assigned
            raise self._astray
        if not received:
            return 0
        if self._spans is not None:
            self._spans.follow_all(received)
        sorted_ = self._intake.sort(received, self._counted_to, self._kept)
        self._dead_letters.send(sorted_.dead, int(self._clock() * 1_000_000))
        applied = self._apply(sorted_.batches, sorted_.reached)
        if self._spans is not None:
            self._spans.end()
        self.taken += len(received)
        self._tally.applied(applied, sorted_.batches, self._clock())
        return len(received)

    def _leave_unless_assigned(self) -> None:
        """A group that gave this view nothing may be waiting for an answer that was lost: join anew."""
        consumer = self._consumer
        if consumer is not None and not consumer.assignment():
            self._consumer = None
            consumer.close()

    def _join(self) -> Consumer:
        self._store.declare_feeds(self._feeds)
        self._tally.fresh(self._store.fresh())
        reached(2, "view.join:before")
        self._consumer = self._bus.consumer(
            TOPICS, group=GROUP, instance=f"{GROUP}.{self._instance}", on_assigned=self._on_assigned
        )
        reached(2, "view.join:after")
        return self._consumer

    def _on_assigned(self, consumer: Consumer, partitions: frozenset[TopicPartition]) -> None:
        try:
            self._begin_at_kept(consumer, partitions)
        except TransientError as error:
            self._astray = error  # told after the poll, within which a bus might swallow it

    def _begin_at_kept(self, consumer: Consumer, partitions: frozenset[TopicPartition]) -> None:
        """Read on from where the store says, whatever the bus believes (invariant 2)."""
        reached(2, "view.seek:before")
        kept: dict[TopicPartition, Kept] = {}
        if partitions:
            kept = self._store.declare(partitions, self._bus.topic_ids(TOPICS))
            begin = {partition: each.next_offset for partition, each in kept.items()}
            refuse_offsets_beyond(begin, self._bus.end_offsets(TOPICS))
        for partition, each in kept.items():
            with _still_ours():
                consumer.seek(partition, each.next_offset)
            self._kept[partition] = each.next_offset
            self._counted_to[partition] = each.counted_to
        reached(2, "view.seek:after")

    def _apply(self, batches: Sequence[Batch], read_to: Mapping[TopicPartition, int]) -> Applied:
        """Apply and keep offsets. Another view may have taken our partitions over: then look anew."""
        moves = {partition: Move(self._kept[partition], offset) for partition, offset in read_to.items()}
        try:
            reached(2, "view.apply:before")
            applied = self._store.apply(batches, moves)
            reached(2, "view.apply:after")
        except FencedError as error:
            self._fenced.append(self._clock())
            if len(self._fenced) == MOST_FENCED and self._fenced[-1] - self._fenced[0] < FENCED_SECONDS:
                raise
            raise TransientError(str(error)) from error
        self._kept |= read_to
        return applied

    def _pass_gaps(self) -> None:
        """Keep positions that have passed offsets without records, such as transaction markers."""
        consumer = self._consumer
        assert consumer is not None
        with _still_ours():
            positions = {p: consumer.position(p) for p in consumer.assignment() & self._kept.keys()}
        passed = {p: offset for p, offset in positions.items() if offset > self._kept[p]}
        if passed:
            self._apply([], passed)

    def _tell_freshness(self, now: float) -> None:
        fresh = self._freshness.advance(self.reached)
        if fresh:
            reached(8, "view.freshness:before")
            self._store.keep_freshness(fresh, int(now * 1_000_000))
            reached(8, "view.freshness:after")
            self._tally.fresh(fresh)

    def _tell_error(self, error: Exception) -> None:
        if self._consumer is not None:
            self._telling.error(self._consumer, self._own(self._consumer), error)

    def _own(self, consumer: Consumer) -> dict[TopicPartition, int]:
        return {p: self._kept[p] for p in consumer.assignment() & self._kept.keys()}

    def _report(self) -> int:
        """Tell lag tools how far this view is; how many records wait for it.

        So bus and store are both asked, be there records or not.
        """
        if self._consumer is None:
            return 0
        own = self._own(self._consumer)
        self._store.declare(own, self._bus.topic_ids(TOPICS))
        self._telling.progress(self._consumer, own)
        ends = self._bus.end_offsets(TOPICS)
        refuse_offsets_beyond(own, ends)
        lags = {t: sum(max(0, ends[p] - own[p]) for p in own if p.topic == t) for t in TOPICS}
        for topic, lag in lags.items():
            self._tally.lag(topic, lag)
        return sum(lags.values())


def _is_due(last: float, every_seconds: float, now: float) -> bool:
    """Whether so much time has passed, or the clock was set back."""
    return not 0 <= now - last < every_seconds


@contextmanager
def _still_ours() -> Iterator[None]:
    """The group may be divided anew between two questions about its partitions."""
    try:
        yield
    except ConfigurationError as error:
        raise TransientError(f"{error} The view looks again at what is its own.") from error
