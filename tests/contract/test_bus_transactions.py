"""What both buses promise of transactions: all or nothing, with offsets, over fencing and a kill."""

import signal
import subprocess
import sys

import pytest

from hub.bus.contract import Offset, TopicPartition
from hub.errors import FencedError
from tests.contract.places import Place, poll, read, send, shows, values
from tests.waiting import wait_until


def test_a_transaction_spans_topics_and_the_consumed_offsets(place: Place):
    bus = place.open()
    source, out, other = place.topic(bus), place.topic(bus, partitions=2), place.topic(bus)
    group = place.name("group")
    tp = TopicPartition(source, 0)
    send(bus, source, [b"a", b"b"])
    consumer = bus.consumer([source], group=group)
    producer = bus.producer(place.name("writer"))
    records = read(consumer, 2)
    producer.begin()
    for record in records:
        producer.send(out, record.key, record.value)
    producer.send(other, b"key", b"beside")
    producer.keep_offsets(consumer, {tp: Offset(2, "kept")})
    assert list(bus.read_all(other)) == []
    assert consumer.committed([tp]) == {tp: None}
    producer.commit()
    assert shows(bus, out, b"a", b"b")
    assert shows(bus, other, b"beside")
    wait_until(lambda: consumer.committed([tp]) == {tp: Offset(2, "kept")})


def test_an_aborted_transaction_leaves_nothing_visible(place: Place):
    bus = place.open()
    source, out = place.topic(bus), place.topic(bus)
    tp = TopicPartition(source, 0)
    send(bus, source, [b"a"])
    consumer = bus.consumer([source], group=place.name("group"))
    read(consumer, 1)
    producer = bus.producer(place.name("writer"))
    producer.begin()
    producer.send(out, b"key", b"dropped")
    producer.keep_offsets(consumer, {tp: Offset(1)})
    producer.abort()
    producer.begin()
    producer.send(out, b"key", b"kept")
    producer.commit()
    assert values(read(bus.consumer([out], group=None), 1)) == [b"kept"]
    assert shows(bus, out, b"kept")
    assert consumer.committed([tp]) == {tp: None}


def test_an_empty_transaction_commits(place: Place):
    bus = place.open()
    producer = bus.producer(place.name("writer"))
    for _ in range(2):
        producer.begin()
        producer.commit()


def test_of_two_producers_with_one_transactional_id_the_older_is_fenced(place: Place):
    bus = place.open()
    topic, name = place.topic(bus), place.name("writer")
    older = bus.producer(name)
    older.begin()
    older.send(topic, b"key", b"of the older")
    newer = place.open().producer(name)
    with pytest.raises(FencedError, match=name):
        older.commit()
    newer.begin()
    newer.send(topic, b"key", b"of the newer")
    newer.commit()

    def go_on() -> None:
        older.begin()
        older.send(topic, b"key", b"of the older again")
        older.commit()

    with pytest.raises(FencedError, match=name):
        go_on()
    assert shows(bus, topic, b"of the newer")


def test_producers_with_different_ids_do_not_disturb_each_other(place: Place):
    bus = place.open()
    topic = place.topic(bus)
    one, two = bus.producer(place.name("writer")), bus.producer(place.name("writer"))
    one.begin()
    two.begin()
    one.send(topic, b"1", b"one")
    two.send(topic, b"2", b"two")
    two.commit()
    one.commit()
    assert shows(bus, topic, b"one", b"two")


def test_what_was_committed_survives_a_kill_and_what_was_open_is_gone(place: Place):
    bus = place.open()
    source, out = place.topic(bus), place.topic(bus)
    group, name = place.name("group"), place.name("writer")
    send(bus, source, [b"a", b"b"])
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.contract.killed_writer", place.url, source, out, group, name],
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    with writer:
        assert writer.stdout.readline() == b"half way\n"
        writer.send_signal(signal.SIGKILL)
    again = place.open()
    producer = again.producer(name)  # takes over, and with it ends the dead one's transaction
    assert shows(again, out, b"committed")
    consumer = again.consumer([source], group=group, instance="writer")
    assert again.group_offsets(group, [source]) == {TopicPartition(source, 0): Offset(1, "first")}
    assert values(read(consumer, 1)) == [b"b"]
    producer.begin()
    producer.send(out, b"key", b"after")
    producer.keep_offsets(consumer, {TopicPartition(source, 0): Offset(2, "second")})
    producer.commit()
    assert shows(again, out, b"committed", b"after")
    assert poll(consumer) == []
