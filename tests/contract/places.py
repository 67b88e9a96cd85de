"""Where a bus is, and how tests open it, fill it and read it."""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from hub.bus import open_bus
from hub.bus.contract import Bus, Consumer, Offset, Received, TopicPartition, TopicSpec
from tests.waiting import wait_until


@dataclass
class Place:
    """A bus that can be opened anew, as another process would; closes all that it opened."""

    kind: str
    url: str
    _opened: list[Bus] = field(default_factory=list)

    @property
    def guarded(self) -> bool:
        """Whether each connection has to show a password or a certificate."""
        return "security_protocol" in self.url

    def open(self) -> Bus:
        self._opened.append(open_bus(self.url))
        return self._opened[-1]

    def name(self, word: str) -> str:
        """Make a name that no other test uses: the Kafka broker is shared between tests."""
        return f"{word}.{uuid.uuid4().hex}"

    def topic(self, bus: Bus, partitions: int = 1, spec: TopicSpec | None = None) -> str:
        spec = spec or TopicSpec(self.name("topic"), partitions, "delete")
        bus.create_topics([spec])
        return spec.name

    @contextmanager
    def closing(self) -> Iterator["Place"]:
        try:
            yield self
        finally:
            for bus in self._opened:
                bus.close()


def send(bus: Bus, topic: str, values: Sequence[bytes], *, key: bytes = b"key") -> None:
    """Send values under one key in one transaction of a producer of its own."""
    producer = bus.producer(f"writer.{uuid.uuid4().hex}")
    producer.begin()
    for value in values:
        producer.send(topic, key, value)
    producer.commit()
    producer.close()


def read(consumer: Consumer, count: int, *, max_records: int = 1000) -> list[Received]:
    """Poll until there are `count` records; fail if they do not come."""
    found: list[Received] = []

    def came() -> bool:
        if len(found) < count:
            found.extend(poll(consumer, max_records))
        return len(found) >= count

    wait_until(came, lambda: f"{count} records came, not {len(found)}")
    assert len(found) == count
    return found


def poll(consumer: Consumer, max_records: int = 1000) -> list[Received]:
    return consumer.poll(timeout_seconds=0.2, max_records=max_records)


def values(records: Sequence[Received]) -> list[bytes | None]:
    return [record.value for record in records]


def shows(bus: Bus, topic: str, *expected: bytes) -> bool:
    """Whether the topic holds these values; on Kafka a commit is seen some milliseconds after it."""
    wait_until(lambda: len(list(bus.read_all(topic))) >= len(expected))
    return Counter(values(list(bus.read_all(topic)))) == Counter(expected)


def positions(consumer: Consumer) -> Mapping[TopicPartition, Offset]:
    return {tp: Offset(consumer.position(tp)) for tp in consumer.assignment()}
