"""Who may write under a transactional id, and who may commit for a group, when processes meet."""

import uuid

import pytest

from hub.bus.contract import Offset, TopicPartition
from hub.errors import FencedError, TransientError
from tests.contract.places import poll, read, send, values
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka


def name() -> str:
    return f"writer.{uuid.uuid4().hex}"


def commit(producer, topic, value) -> None:
    producer.begin()
    producer.send(topic, b"key", value)
    producer.commit()


def test_an_idle_producer_that_was_taken_over_is_fenced_at_its_next_commit_and_stays_so(bus, topic):
    writer = name()
    zombie = bus.producer(writer)
    commit(zombie, topic, b"before")
    commit(bus.producer(writer), topic, b"newer")
    for _ in range(2):
        with pytest.raises(FencedError, match=writer):
            commit(zombie, topic, b"of the zombie")
    assert values(list(bus.read_all(topic))) == [b"before", b"newer"]


def test_a_transaction_that_outlives_its_time_is_dropped_and_the_next_one_succeeds(
    bus, topic, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hub.bus.kafka_producer.TRANSACTION_MS", 1000)
    slow, onlooker = bus.producer(name()), TopicPartition(topic, 0)
    slow.begin()
    slow.send(topic, b"key", b"too slow")
    send(bus, topic, [b"after it"])
    # Readers get past the open transaction only when Kafka has dropped it.
    wait_until(lambda: bus.end_offsets([topic])[onlooker] >= 2)
    with pytest.raises(TransientError, match="open for more than 1 s"):
        slow.commit()
    commit(slow, topic, b"in time")
    assert values(list(bus.read_all(topic))) == [b"after it", b"in time"]


def test_a_transaction_that_outlived_its_time_and_was_taken_over_is_fenced(
    bus, topic, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hub.bus.kafka_producer.TRANSACTION_MS", 1000)
    writer = name()
    slow = bus.producer(writer)
    slow.begin()
    slow.send(topic, b"key", b"too slow")
    send(bus, topic, [b"after it"])
    wait_until(lambda: bus.end_offsets([topic])[TopicPartition(topic, 0)] >= 2)
    commit(bus.producer(writer), topic, b"newer")
    with pytest.raises(FencedError, match=writer):
        slow.commit()
    with pytest.raises(FencedError, match=writer):
        slow.begin()
    assert values(list(bus.read_all(topic))) == [b"after it", b"newer"]


def test_a_second_consumer_of_one_instance_takes_over_and_the_first_commits_nothing_more(bus, topic):
    group, tp = f"group.{uuid.uuid4().hex}", TopicPartition(topic, 0)
    send(bus, topic, [b"1", b"2"])
    first = bus.consumer([topic], group=group, instance="one")
    assert values(read(first, 2)) == [b"1", b"2"]
    second = bus.consumer([topic], group=group, instance="one")
    assert values(read(second, 2)) == [b"1", b"2"]
    with pytest.raises(FencedError, match=group):
        first.commit({tp: Offset(1, "of the first")})
    producer = bus.producer(name())
    producer.begin()
    producer.send(topic, b"key", b"of the first")
    producer.keep_offsets(first, {tp: Offset(1, "of the first")})
    with pytest.raises(FencedError):
        producer.commit()
    second.commit({tp: Offset(2, "of the second")})
    assert bus.group_offsets(group, [topic]) == {tp: Offset(2, "of the second")}
    assert values(list(bus.read_all(topic))) == [b"1", b"2"]


def test_closing_a_consumer_that_was_replaced_leaves_its_successor_in_the_group(bus, topic):
    group, tp = f"group.{uuid.uuid4().hex}", TopicPartition(topic, 0)
    first = bus.consumer([topic], group=group, instance="one")
    wait_until(lambda: poll(first) == [] and tp in first.assignment())
    second = bus.consumer([topic], group=group, instance="one")
    wait_until(lambda: poll(second) == [] and tp in second.assignment())
    first.close()
    send(bus, topic, [b"1"])
    assert values(read(second, 1)) == [b"1"]
    second.commit({tp: Offset(1)})
