"""What both buses promise of groups: committed offsets, members, lag, and setting a group back."""

import pytest

from hub.bus.contract import Consumer, Offset, TopicPartition
from hub.errors import FatalError, FencedError
from tests.contract.places import Place, poll, positions, read, send, values
from tests.waiting import wait_until


def test_a_group_goes_on_where_it_committed(place: Place):
    bus = place.open()
    topic, group = place.topic(bus), place.name("group")
    tp = TopicPartition(topic, 0)
    send(bus, topic, [b"%d" % n for n in range(6)])
    first = bus.consumer([topic], group=group)
    assert values(read(first, 4, max_records=4)) == [b"0", b"1", b"2", b"3"]
    first.commit({tp: Offset(4)})
    first.close()
    second = place.open().consumer([topic], group=group)
    assert values(read(second, 2)) == [b"4", b"5"]


def test_text_is_kept_beside_a_committed_offset(place: Place):
    bus = place.open()
    topic, group = place.topic(bus, partitions=2), place.name("group")
    one, two = TopicPartition(topic, 0), TopicPartition(topic, 1)
    consumer = bus.consumer([topic], group=group)
    wait_until(lambda: poll(consumer) == [] and len(consumer.assignment()) == 2)
    text = '{"normalised":3,"dead_lettered":1} é ' + "x" * 3000
    consumer.commit({one: Offset(0, text)})
    assert consumer.committed([one, two]) == {one: Offset(0, text), two: None}
    assert place.open().group_offsets(group, [topic]) == {one: Offset(0, text)}


def test_who_is_in_a_group_is_told_to_who_is_not(place: Place):
    bus = place.open()
    topic, group = place.topic(bus), place.name("group")
    asking = place.open()
    assert asking.group_members(group) == []
    consumer = bus.consumer([topic], group=group, instance="first")
    wait_until(lambda: poll(consumer) == [] and len(consumer.assignment()) == 1)
    (member,) = asking.group_members(group)
    assert "first" in member
    consumer.close()
    wait_until(lambda: asking.group_members(group) == [])
    again = bus.consumer([topic], group=group, instance="first")
    wait_until(lambda: poll(again) == [] and len(asking.group_members(group)) == 1)


def test_groups_know_nothing_of_each_other(place: Place):
    bus = place.open()
    topic = place.topic(bus)
    send(bus, topic, [b"a"])
    for group in (place.name("group"), place.name("group")):
        consumer = bus.consumer([topic], group=group)
        assert values(read(consumer, 1)) == [b"a"]
        consumer.commit(positions(consumer))


def test_on_assigned_comes_before_the_first_record_and_may_seek(place: Place):
    bus = place.open()
    topic = place.topic(bus)
    tp = TopicPartition(topic, 0)
    send(bus, topic, [b"0", b"1", b"2"])
    seen = []

    def assigned(consumer: Consumer, partitions: frozenset[TopicPartition]) -> None:
        seen.append(partitions)
        consumer.seek(tp, 2)

    consumer = bus.consumer([topic], group=place.name("group"), on_assigned=assigned)
    assert values(read(consumer, 1)) == [b"2"]
    assert seen == [frozenset({tp})]
    assert consumer.assignment() == frozenset({tp})


def test_lag_is_nothing_once_all_is_read_and_committed(place: Place):
    bus = place.open()
    topic, group = place.topic(bus), place.name("group")
    tp = TopicPartition(topic, 0)
    producer = bus.producer(place.name("writer"))
    for number in range(3):
        producer.begin()
        producer.send(topic, b"key", b"%d" % number)
        producer.commit()
    producer.begin()
    producer.send(topic, b"key", b"never seen")
    producer.abort()
    consumer = bus.consumer([topic], group=group)
    assert values(read(consumer, 3)) == [b"0", b"1", b"2"]

    def no_lag() -> bool:
        assert poll(consumer) == []
        consumer.commit(positions(consumer))
        return bus.group_offsets(group, [topic])[tp].offset == bus.end_offsets([topic])[tp]

    wait_until(no_lag)


def test_end_offsets_name_every_partition(place: Place):
    bus = place.open()
    topic = place.topic(bus, partitions=3)
    assert bus.partitions(topic) == 3
    assert bus.end_offsets([topic]) == {TopicPartition(topic, n): 0 for n in range(3)}
    producer = bus.producer(place.name("writer"))
    producer.begin()
    producer.send(topic, b"key", b"value", partition=1)
    producer.commit()
    wait_until(lambda: bus.end_offsets([topic])[TopicPartition(topic, 1)] >= 1)
    assert bus.end_offsets([topic])[TopicPartition(topic, 0)] == 0


def test_a_stopped_group_is_set_back(place: Place):
    bus = place.open()
    topic, group = place.topic(bus), place.name("group")
    tp = TopicPartition(topic, 0)
    send(bus, topic, [b"0", b"1", b"2"])
    consumer = bus.consumer([topic], group=group)
    read(consumer, 3)
    consumer.commit({tp: Offset(3, "all")})
    consumer.close()
    bus.reset_group(group, {tp: Offset(1, "again")})
    assert bus.group_offsets(group, [topic]) == {tp: Offset(1, "again")}
    assert values(read(bus.consumer([topic], group=group), 2)) == [b"1", b"2"]


def test_a_group_at_work_is_not_set_back(place: Place):
    bus = place.open()
    topic, group = place.topic(bus), place.name("group")
    tp = TopicPartition(topic, 0)
    send(bus, topic, [b"0"])
    consumer = bus.consumer([topic], group=group)
    read(consumer, 1)
    consumer.commit({tp: Offset(1)})
    with pytest.raises(FatalError, match="stop"):
        place.open().reset_group(group, {tp: Offset(0)})
    assert bus.group_offsets(group, [topic]) == {tp: Offset(1)}


def test_the_embedded_bus_refuses_a_second_member_until_the_first_has_left(embedded_place: Place):
    bus = embedded_place.open()
    topic = embedded_place.topic(bus)
    first = bus.consumer([topic], group="hub.view", instance="one")
    for other in (bus, embedded_place.open()):
        with pytest.raises(FencedError, match=r"group 'hub\.view' already has its member .*instance one"):
            other.consumer([topic], group="hub.view", instance="two")
    first.close()
    second = embedded_place.open().consumer([topic], group="hub.view", instance="two")
    assert poll(second) == []


@pytest.mark.kafka
def test_on_kafka_two_members_share_the_partitions_and_the_one_left_takes_them_all(kafka_place: Place):
    bus = kafka_place.open()
    topic, group = kafka_place.topic(bus, partitions=4), kafka_place.name("group")
    everything = {TopicPartition(topic, n) for n in range(4)}
    one = bus.consumer([topic], group=group, instance="one")
    wait_until(lambda: poll(one) == [] and one.assignment() == everything)
    two = kafka_place.open().consumer([topic], group=group, instance="two")

    def shared() -> bool:
        assert poll(one) == poll(two) == []
        return len(one.assignment()) == len(two.assignment()) == 2

    wait_until(shared)
    assert one.assignment() | two.assignment() == everything
    producer = bus.producer(kafka_place.name("writer"))
    producer.begin()
    for number in range(4):
        producer.send(topic, b"key", b"%d" % number, partition=number)
    producer.commit()
    assert {record.partition for record in read(one, 2)} == {tp.partition for tp in one.assignment()}
    assert {record.partition for record in read(two, 2)} == {tp.partition for tp in two.assignment()}
    one.commit(positions(one))
    two.commit(positions(two))
    two.close()
    wait_until(lambda: poll(one) == [] and one.assignment() == everything)
