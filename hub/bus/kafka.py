"""The Kafka bus, at `kafka://host:9092,host:9092?option=value`: the one for real use.

Only the files named kafka*.py import kafka-python; everything else asks this contract.

    kafka.py           the bus of the contract: hands out the parts
    kafka_url.py       the address and its options      kafka_errors.py    what an error means
    kafka_producer.py  transactions                     kafka_consumer.py  polling, groups
    kafka_identity.py  who owns a transactional id      kafka_connect.py   connecting, letting go
    kafka_password.py  a password from its file         kafka_acls.py      access lists
    kafka_read.py      all that a topic holds           kafka_admin.py     topics, offsets
    kafka_topics.py    a topic's declaration in Kafka's words
"""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence

from hub.bus.contract import Consumer, Offset, Received, TopicPartition, TopicSpec
from hub.bus.kafka_admin import KafkaAdmin
from hub.bus.kafka_consumer import KafkaBusConsumer
from hub.bus.kafka_producer import KafkaBusProducer
from hub.bus.kafka_read import read_to
from hub.bus.kafka_url import KafkaAddress, parse_kafka_url


class KafkaBus:
    """Connects when first used; where no broker answers then, that is a `TransientError`."""

    def __init__(self, address: KafkaAddress) -> None:
        self._address = address
        self._admin = KafkaAdmin(address)
        self._opened: weakref.WeakSet[KafkaBusProducer | KafkaBusConsumer] = weakref.WeakSet()

    @property
    def url(self) -> str:
        return self._address.url

    def producer(self, transactional_id: str) -> KafkaBusProducer:
        producer = KafkaBusProducer(transactional_id, self._admin)
        self._opened.add(producer)
        return producer

    def consumer(
        self,
        topics: Sequence[str],
        *,
        group: str | None,
        instance: str | None = None,
        on_assigned: Callable[[Consumer, frozenset[TopicPartition]], None] | None = None,
    ) -> KafkaBusConsumer:
        consumer = KafkaBusConsumer(topics, self._admin, group, instance, on_assigned)
        self._opened.add(consumer)
        return consumer

    def read_all(self, topic: str) -> Iterator[Received]:
        self._admin.settle()
        return read_to(self._address, self._admin.end_offsets([topic]))

    def partitions(self, topic: str) -> int:
        return self._admin.partitions(topic)

    def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        self._admin.create_topics(specs)

    def alter_topics(self, specs: Sequence[TopicSpec]) -> None:
        self._admin.alter_topics(specs)

    def describe_topics(self) -> dict[str, TopicSpec]:
        return self._admin.describe_topics()

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        return self._admin.topic_ids(topics)

    def end_offsets(self, topics: Sequence[str], *, and_open: bool = False) -> dict[TopicPartition, int]:
        return self._admin.end_offsets(topics, and_open=and_open)

    def group_offsets(self, group: str, topics: Sequence[str]) -> dict[TopicPartition, Offset]:
        self._admin.settle()
        return self._admin.group_offsets(group, topics)

    def group_members(self, group: str) -> list[str]:
        return self._admin.group_members(group)

    def reset_group(self, group: str, offsets: Mapping[TopicPartition, Offset]) -> None:
        self._admin.reset_group(group, offsets)

    def close(self) -> None:
        for opened in list(self._opened):
            opened.close()
        self._admin.close()


def open_kafka(url: str) -> KafkaBus:
    """Open the bus of a `kafka://host:9092,host:9092?option=value` URL."""
    return KafkaBus(parse_kafka_url(url))
