"""The normalise loop: poll, decode, map, encode, send, keep the offset."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from itertools import groupby
from operator import attrgetter

import structlog

from hub.bus.contract import Bus, Consumer, Offset, Producer, Received, TopicPartition
from hub.dead_letters.holds import Holds, is_strict
from hub.errors import ConfigurationError, HubError, SourceChangedError, TransientError, in_words
from hub.forces import Force
from hub.kill_points import reached
from hub.last_error import LastError
from hub.metrics import Metrics
from hub.normalise.boundary import Boundary
from hub.normalise.counts import Counts, has_error, read_counts
from hub.normalise.lane import STAGE, Lane, Outcome
from hub.normalise.mapping import compile_mappings
from hub.normalise.release import Release
from hub.normalise.versions import publish_versions
from hub.retry import until_stopped
from hub.schema.codec import Codec

log = structlog.get_logger()

GROUP = "hub.normalise"

_MOST_RECORDS = 1000
_POLL_SECONDS = 0.2
_TICK_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 5

_where = attrgetter("topic", "partition")
_NOTHING = Offset(0)


class Normaliser:
    """Maps the events of every feed. Several may share the work, each with its own `instance`.

    A feed most of whose events are bad is left standing while the others go on, for one force
    never slows another.
    """

    def __init__(
        self,
        bus: Bus,
        forces: Mapping[str, Force],
        codec: Codec,
        metrics: Metrics,
        *,
        instance: str = "1",
        boundary: Boundary | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Compile every mapping; `ConfigurationError` names all that is wrong with them."""
        self._bus, self._codec, self._metrics, self._clock = bus, codec, metrics, clock
        self._instance = instance
        self._mappers = compile_mappings(forces.values(), boundary=boundary)
        strict = [mapper.feed for mapper in self._mappers.values() if is_strict(mapper.feed.source)]
        holds = Holds(bus, codec, strict) if strict else None
        self._release = None if holds is None else Release(holds, codec, clock)
        self._lanes = {
            topic: Lane(mapper, codec, metrics, clock, holds if mapper.feed in strict else None)
            for topic, mapper in self._mappers.items()
        }
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None
        self._kept: dict[TopicPartition, Offset] = {}
        self._counts: dict[TopicPartition, Counts] = {}
        self._next_tick = 0.0
        self._positions_before: dict[TopicPartition, int] = {}
        self._stopped: list[SourceChangedError] = []

    def run(self, stop: threading.Event) -> None:
        """Normalise until `stop` is set, through whatever may mend by itself.

        Raises what a person must act on; a `SourceChangedError` only at the end, when the other
        feeds stop too or none is left.
        """
        again = until_stopped(
            stop, longest_seconds=_LONGEST_PAUSE_SECONDS, retried=self._retried, stage=STAGE
        )
        try:
            while not stop.is_set() and self._lanes:
                again(self._turn)
        except TransientError:
            log.info("stopped while trying again", stage=STAGE)
        except Exception as error:
            for lane in self._lanes.values():
                lane.stopped(1)
            self._keep_error(error, self._lanes)
            raise
        finally:
            self._let_go()
        if self._stopped:
            raise SourceChangedError("\n".join(map(str, self._stopped)))

    def _turn(self) -> None:
        try:
            consumer, producer = self._open()
            # Returns as soon as anything is there: a batch is what has come, never waited for.
            records = consumer.poll(timeout_seconds=_POLL_SECONDS, max_records=_MOST_RECORDS)
            if records:
                self._normalise(consumer, producer, records)
            if time.monotonic() >= self._next_tick and self._consumer is not None:
                if self._release is not None:
                    self._counts |= self._release.send(
                        consumer, producer, self._lanes, self._kept, self._counts
                    )
                self._tick(consumer)
        except TransientError:
            # The next turn joins anew and goes on from what was committed.
            self._let_go()
            raise

    def _normalise(self, consumer: Consumer, producer: Producer, records: list[Received]) -> None:
        reached(5, "normalise.events:before")
        if self._release is not None and not self._release.holds.topics.isdisjoint(r.topic for r in records):
            self._release.holds.look()
        producer.begin()
        kept: dict[TopicPartition, Offset] = {}
        counts = dict(self._counts)
        outcomes: list[tuple[Lane, Outcome]] = []
        for where, run in groupby(records, _where):
            partition, lane = TopicPartition(*where), self._lanes[where[0]]
            try:
                outcome = lane.send(producer, run, counts[partition].counted_to)
            except SourceChangedError as error:
                self._leave(producer, lane, error)
                return
            counts[partition] = counts[partition].after(outcome)
            kept[partition] = Offset(outcome.next_offset, counts[partition].text)
            outcomes.append((lane, outcome))
        reached(5, "normalise.events:after")
        reached(2, "normalise.offsets:before")
        producer.keep_offsets(consumer, kept)
        reached(2, "normalise.offsets:after")
        reached(8, "normalise.commit:before")
        producer.commit()
        reached(8, "normalise.commit:after")
        self._counts = counts
        self._kept |= kept
        for lane, outcome in outcomes:
            lane.count(outcome)

    def _leave(self, producer: Producer, lane: Lane, error: SourceChangedError) -> None:
        """Go on without a feed most of whose events are bad; nothing of the batch is kept."""
        log.error("feed stopped", feed=str(lane.feed), message=str(error))
        producer.abort()
        self._keep_error(error, [lane.feed.topic])
        self._let_go()
        lane.stopped(1)
        del self._lanes[lane.feed.topic]
        self._stopped.append(error)

    def _keep_error(self, error: Exception, topics: Collection[str]) -> None:
        """Keep it beside the offsets of these topics, while that is still possible.

        In a transaction, which fails where a partition has gone to another normaliser.
        """
        consumer, producer = self._consumer, self._producer
        if consumer is None or producer is None:
            return
        last = LastError(in_words(error), int(self._clock() * 1_000_000))
        own = [p for p in consumer.assignment() & self._counts.keys() if p.topic in topics]
        if not own:
            return
        with suppress(HubError):  # the error itself is raised, and in the log
            producer.abort()
            producer.begin()
            producer.keep_offsets(
                consumer,
                {p: Offset(self._kept.get(p, _NOTHING).offset, self._counts[p].text_with(last)) for p in own},
            )
            producer.commit()

    def _open(self) -> tuple[Consumer, Producer]:
        if self._consumer is not None and self._producer is not None:
            return self._consumer, self._producer
        reached(2, "normalise.join:before")
        self._consumer = self._bus.consumer(
            list(self._lanes), group=GROUP, instance=self._instance, on_assigned=self._on_assigned
        )
        self._producer = self._bus.producer(f"{GROUP}.{self._instance}")
        reached(2, "normalise.join:after")
        publish_versions(self._bus, self._codec, self._producer, self._mappers.values())
        for lane in self._lanes.values():
            lane.open(self._bus)
            lane.stopped(0)
        return self._consumer, self._producer

    def _let_go(self) -> None:
        producer, consumer = self._producer, self._consumer
        self._producer = self._consumer = None
        if producer is not None:
            producer.close()
        if consumer is not None:
            consumer.close()
        if self._release is not None:
            self._release.holds.close()

    def _on_assigned(self, consumer: Consumer, partitions: frozenset[TopicPartition]) -> None:
        kept = consumer.committed(sorted(partitions))
        self._kept = {partition: offset for partition, offset in kept.items() if offset is not None}
        self._counts = {partition: read_counts(offset) for partition, offset in kept.items()}

    def _tick(self, consumer: Consumer) -> None:
        """Once a second: keep positions that passed gaps without records, and tell that all is well.

        An error that was kept before this normaliser began is taken away.
        """
        self._next_tick = time.monotonic() + _TICK_SECONDS
        positions = self._positions(consumer)
        moved = {
            partition: Offset(position, self._counts[partition].text)
            for partition, position in positions.items()
            if position > (kept := self._kept.get(partition, _NOTHING)).offset or has_error(kept)
        }
        if moved:
            reached(2, "normalise.gap:before")
            consumer.commit(moved)
            reached(2, "normalise.gap:after")
            self._kept |= moved
        lag = self._tell_lag(positions)
        if not lag or positions != self._positions_before:  # else what waits does not come
            for lane in self._lanes.values():
                lane.progressed()
        self._positions_before = positions

    def _positions(self, consumer: Consumer) -> dict[TopicPartition, int]:
        try:
            return {p: consumer.position(p) for p in consumer.assignment() & self._counts.keys()}
        except ConfigurationError as error:
            # The group was divided anew between the two questions.
            raise TransientError(str(error)) from error

    def _tell_lag(self, positions: Mapping[TopicPartition, int]) -> int:
        ends = self._bus.end_offsets(sorted({partition.topic for partition in positions}))
        lags: Counter[str] = Counter()
        for partition, position in positions.items():
            lags[partition.topic] += max(0, ends.get(partition, position) - position)
        for topic, lag in lags.items():
            self._metrics.lag.labels(STAGE, topic).set(lag)
        return lags.total()

    def _retried(self, pause_seconds: float) -> None:
        for lane in self._lanes.values():
            lane.retried(pause_seconds)
