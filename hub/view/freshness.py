"""Up to which source time every change is visible, feed by feed.

A connector keeps in its positions topic the source time up to which it has published every
change. That time is read first; then the end of the force's topic is taken, and once the
normaliser has passed it, the end of the alliance topic; and once the store has passed that,
everything up to the time is visible. So a quiet source is fresh and a silent one is stale,
whichever part died. The ends count open transactions, behind which committed records may lie.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hub.bus.contract import Bus, Consumer, TopicPartition
from hub.domains import DOMAINS
from hub.errors import BadRecordError
from hub.forces import Feed
from hub.logs import Seldom
from hub.schema.codec import Codec
from hub.view.session import Fresh

NORMALISER_GROUP = "hub.normalise"
MOST_PENDING = 120
POLL_RECORDS = 1000
MOST_POLLS = 10


class Check(NamedTuple):
    """A time, and the offsets that a stage must have passed for it to be true there."""

    complete_to: int
    ends: Mapping[TopicPartition, int]


@dataclass(slots=True)
class Pipeline:
    """The checks of one feed on their way, so that freshness advances under constant load."""

    feed: Feed
    newest: int | None = None
    started: int | None = None
    at_normaliser: deque[Check] = field(default_factory=deque)
    at_view: deque[Check] = field(default_factory=deque)

    @property
    def waiting(self) -> bool:
        return self.newest != self.started

    @property
    def alliance_topic(self) -> str:
        return DOMAINS[self.feed.domain].topic


class FreshnessPipeline:
    """Follows the positions topics and says what has become visible. For one thread."""

    def __init__(self, bus: Bus, codec: Codec, feeds: Iterable[Feed]) -> None:
        self._bus = bus
        self._pipelines = {(feed.force, feed.domain): Pipeline(feed) for feed in feeds}
        self._topics = sorted({p.feed.positions_topic for p in self._pipelines.values()})
        self._decoders = {topic: codec.decoder(topic) for topic in self._topics}
        self._consumer: Consumer | None = None
        self._told = Seldom(most=1)

    def advance(self, kept: Callable[[], Mapping[TopicPartition, int]]) -> list[Fresh]:
        """Move every check on as far as it goes; the feeds that became complete to a later time.

        `kept` gives the offsets the store keeps, of all views; it is asked only when needed.
        """
        self._read_positions()
        self._start()
        self._pass_normaliser()
        return self._pass_view(kept)

    def _read_positions(self) -> None:
        if self._consumer is None:
            self._consumer = self._bus.consumer(self._topics, group=None)
        for _ in range(MOST_POLLS):
            records = self._consumer.poll(timeout_seconds=0, max_records=POLL_RECORDS)
            for record in records:
                # Keys are <domain>/<system>/<name>; the entry without a name holds complete_to.
                if record.value is None or not (record.key or b"").endswith(b"/"):
                    continue
                entry = self._entry(record.topic, record.value)
                if entry is None:
                    continue
                pipeline = self._pipelines.get((entry["force"], entry["domain"]))
                if pipeline is not None and entry["name"] == "" and entry["complete_to"] is not None:
                    pipeline.newest = entry["complete_to"]
            if not records:
                return

    def _entry(self, topic: str, value: bytes) -> dict[str, Any] | None:
        """An entry of a positions topic; one that cannot be read leaves its feed stale, and no other."""
        try:
            return self._decoders[topic](value)
        except BadRecordError as error:
            self._told.warning("position cannot be read", topic=topic, reason=str(error))
            return None

    def _start(self) -> None:
        """Take the ends of the forces' topics, after their times have been read."""
        waiting = [p for p in self._pipelines.values() if p.waiting]
        if not waiting:
            return
        ends = self._bus.end_offsets(sorted({p.feed.topic for p in waiting}), and_open=True)
        for p in waiting:
            assert p.newest is not None
            _add(p.at_normaliser, Check(p.newest, _of(p.feed.topic, ends)))
            p.started = p.newest

    def _pass_normaliser(self) -> None:
        """Take the ends of the alliance topics, after the normaliser has passed the forces'."""
        pending = [p for p in self._pipelines.values() if p.at_normaliser]
        if not pending:
            return
        topics = sorted({p.feed.topic for p in pending})
        offsets = self._bus.group_offsets(NORMALISER_GROUP, topics)
        reached = {partition: offset.offset for partition, offset in offsets.items()}
        passed = [(p, time) for p in pending if (time := _passed(p.at_normaliser, reached)) is not None]
        if passed:
            ends = self._bus.end_offsets(sorted({p.alliance_topic for p, _ in passed}), and_open=True)
            for p, time in passed:
                _add(p.at_view, Check(time, _of(p.alliance_topic, ends)))

    def _pass_view(self, kept: Callable[[], Mapping[TopicPartition, int]]) -> list[Fresh]:
        pending = [p for p in self._pipelines.values() if p.at_view]
        if not pending:
            return []
        reached = kept()
        passed = [(p.feed, _passed(p.at_view, reached)) for p in pending]
        return [Fresh(feed.force, feed.domain, time) for feed, time in passed if time is not None]

    def forget(self) -> None:
        """Begin the checks anew: some were passed, and what they told was lost with an error."""
        for pipeline in self._pipelines.values():
            pipeline.started = None

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()


def _of(topic: str, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    return {partition: end for partition, end in ends.items() if partition.topic == topic and end > 0}


def _add(checks: deque[Check], check: Check) -> None:
    """Keep the oldest, which pass first; while a stage stands still the newest takes the last place."""
    if len(checks) >= MOST_PENDING:
        checks.pop()
    checks.append(check)


def _passed(checks: deque[Check], reached: Mapping[TopicPartition, int]) -> int | None:
    """Drop the checks that a stage has passed; the time of the last."""
    time = None
    while checks and all(reached.get(partition, 0) >= end for partition, end in checks[0].ends.items()):
        time = checks.popleft().complete_to
    return time
