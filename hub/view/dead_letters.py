"""What the view could not use: set aside with its original bytes, on `<topic>.dlq`."""

from collections.abc import Sequence
from typing import NamedTuple

from hub.bus.contract import Bus, Producer, Received, TopicPartition
from hub.dead_letters import dead_letter, dead_letter_key, dead_letter_topic, letter_headers
from hub.errors import BadRecordError, TransientError
from hub.kill_points import reached
from hub.logs import Seldom
from hub.schema.codec import Codec
from hub.tracing import trace_id_of
from hub.view.tally import STAGE


class Dead(NamedTuple):
    received: Received
    force: str
    domain: str
    error: BadRecordError

    @property
    def partition(self) -> TopicPartition:
        return TopicPartition(self.received.topic, self.received.partition)


class DeadLetters:
    """Sends dead letters in transactions of their own.

    They are sent before the offset is kept, so none is lost. One that is read again is not sent
    again, unless by another process: then under the same key.
    """

    def __init__(self, bus: Bus, codec: Codec, instance: str) -> None:
        self._bus = bus
        self._codec = codec
        self._id = f"hub.view.{instance}"
        self._task = instance
        self._producer: Producer | None = None
        self._sent_to: dict[TopicPartition, int] = {}
        self._letters_told = Seldom()

    def send(self, dead: Sequence[Dead], at: int) -> None:
        """Return when all of them are durable (invariant 8)."""
        dead = [each for each in dead if each.received.offset >= self._sent_to.get(each.partition, 0)]
        if not dead:
            return
        producer = self._producer = self._producer or self._bus.producer(self._id)
        try:
            reached(6, "view.dead-letters:before")
            producer.begin()
            for each in dead:
                self._send(producer, each, at)
            producer.commit()
            reached(6, "view.dead-letters:after")
        except TransientError:
            self.close()
            raise
        self._sent_to |= {each.partition: each.received.offset + 1 for each in dead}

    def _send(self, producer: Producer, dead: Dead, at: int) -> None:
        received, topic = dead.received, dead_letter_topic(dead.received.topic)
        letter = dead_letter(STAGE, received, dead.error, at, force=dead.force, domain=dead.domain, system="")
        value = self._codec.encoder(topic)(letter)
        key, headers = dead_letter_key(STAGE, received), letter_headers(letter, self._task)
        self._letters_told.warning(
            "dead letter",
            feed=f"{dead.force}/{dead.domain}",
            record_id=received.key and received.key.decode("utf-8", "replace"),
            trace_id=trace_id_of(received.headers),
            reason=str(dead.error),
        )
        producer.send(topic, key, value, headers, timestamp=at // 1000)

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()
