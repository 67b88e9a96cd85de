"""Sends on what waited behind a dead letter, once that is resolved (strict order)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hub.bus.contract import Consumer, Headers, Offset, Producer, TopicPartition
from hub.bus.topics import CASES_TOPIC
from hub.dead_letters.book import Letter
from hub.dead_letters.cases import Act, Case, State, case_record
from hub.dead_letters.holds import Holds
from hub.errors import BadRecordError
from hub.normalise.counts import Counts
from hub.normalise.lane import Lane
from hub.schema.codec import Codec


@dataclass(frozen=True, slots=True)
class HeldEvent:
    """An event that waited, as it was read from its topic."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Release:
    """Sends what is due of the partitions that are this normaliser's own."""

    def __init__(self, holds: Holds, codec: Codec, clock: Callable[[], float]) -> None:
        self.holds = holds
        self._encode = codec.encoder(CASES_TOPIC)
        self._clock = clock

    def send(
        self,
        consumer: Consumer,
        producer: Producer,
        lanes: Mapping[str, Lane],
        kept: Mapping[TopicPartition, Offset],
        counts: Mapping[TopicPartition, Counts],
    ) -> dict[TopicPartition, Counts]:
        """Send what is due and keep with it that it is no dead letter any more; the counts that changed.

        The offset is kept where it was, with the transaction: should the partition have gone to
        another normaliser, that fails, and nothing is sent twice or out of order.
        """
        self.holds.look()
        own = {p for p in consumer.assignment() & kept.keys() & counts.keys() if p.topic in lanes}
        due = self.holds.due(own)
        if not due:
            return {}
        changed: dict[TopicPartition, Counts] = {}
        producer.begin()
        for letter, case in due:
            partition = TopicPartition(letter.about["topic"], letter.about["partition"])
            done = self._send_one(producer, lanes[partition.topic], letter, case)
            if done:
                changed[partition] = changed.get(partition, counts[partition]).released()
        if changed:
            producer.keep_offsets(consumer, {p: Offset(kept[p].offset, changed[p].text) for p in changed})
        producer.commit()
        return changed

    def _send_one(self, producer: Producer, lane: Lane, letter: Letter, case: Case) -> bool:
        now = int(self._clock() * 1_000_000)
        try:
            lane.release(producer, self._event(letter))
        except BadRecordError as error:
            after = case.after(State.FAILED, Act("failed", "hub", now, str(error)))
        else:
            after = case.after(State.REPLAYED, Act("released", "hub", now, "What it waited for is resolved."))
        producer.send(
            CASES_TOPIC, letter.id.encode(), self._encode(case_record(letter.id, letter.about, after))
        )
        return after.resolved

    def _event(self, letter: Letter) -> HeldEvent:
        if not letter.kept:
            raise BadRecordError("Not all of the original was kept; give the record whole with `dlq edit`.")
        about = letter.about
        return HeldEvent(
            about["topic"],
            about["partition"],
            about["offset"],
            about["at"] // 1000,
            about["key"],
            self.holds.original(letter),
        )
