"""What befalls one user of a Kafka bus harms no other, and leaves nothing behind."""

import threading
import uuid

import kafka  # noqa: TID251 - the library is made to fail where no broker could be timed to
import pytest

from hub.bus.contract import TopicPartition
from hub.errors import FencedError, TransientError
from tests.contract.places import send, values
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka


def test_a_writer_that_was_taken_over_stops_nobody_else_who_reads_back_from_its_bus(bus, topic, monkeypatch):
    monkeypatch.setattr("hub.bus.kafka_producer.TRANSACTION_MS", 1000)
    writer = f"writer.{uuid.uuid4().hex}"
    slow = bus.producer(writer)
    slow.begin()
    slow.send(topic, b"key", b"too slow")
    send(bus, topic, [b"after it"])
    # Readers get past the open transaction only when Kafka has dropped it.
    wait_until(lambda: bus.end_offsets([topic])[TopicPartition(topic, 0)] >= 2)
    with pytest.raises(TransientError, match="open for more than 1 s"):
        slow.commit()
    successor = bus.producer(writer)
    assert values(list(bus.read_all(topic))) == [b"after it"]
    for _ in range(2):
        with pytest.raises(FencedError, match=writer):
            slow.begin()
    successor.close()


def test_a_broker_that_goes_away_while_a_group_is_joined_is_told_as_such_and_nothing_is_left_open(
    bus, topic, monkeypatch
):
    def no_answer(*_):
        raise kafka.errors.NodeNotReadyError("metadata")

    assert bus.partitions(topic) == 1
    before = set(threading.enumerate())
    with monkeypatch.context() as away:
        away.setattr(kafka.KafkaConsumer, "partitions_for_topic", no_answer)
        with pytest.raises(TransientError, match="looking for partitions"):
            bus.consumer([topic], group=f"group.{uuid.uuid4().hex}")
    assert set(threading.enumerate()) <= before
