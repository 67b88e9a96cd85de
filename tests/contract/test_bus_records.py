"""What both buses promise of records: their order, their place, what they carry, how large they are."""

import pytest

from hub.bus.contract import RECORD_LIMIT_BYTES, Received, TopicPartition, TopicSpec
from hub.bus.murmur2 import partition_of
from hub.errors import BadRecordError, ConfigurationError
from tests.contract.places import Place, poll, read, send, shows, values
from tests.waiting import wait_until


def test_records_of_one_key_are_read_in_the_order_they_were_sent(place: Place):
    bus = place.open()
    topic = place.topic(bus, partitions=3)
    producer = bus.producer(place.name("writer"))
    for turn in range(10):
        producer.begin()
        for key in range(5):
            for step in range(3):
                producer.send(topic, b"key-%d" % key, b"%d" % (turn * 3 + step))
        producer.commit()
    records = read(bus.consumer([topic], group=None), 150)
    for key in range(5):
        mine = [record for record in records if record.key == b"key-%d" % key]
        assert values(mine) == [b"%d" % n for n in range(30)]
        assert [record.offset for record in mine] == sorted(record.offset for record in mine)
        assert len({record.partition for record in mine}) == 1


def test_a_key_lies_in_the_partition_that_javas_partitioner_chooses(place: Place):
    bus = place.open()
    topic = place.topic(bus, partitions=7)
    producer = bus.producer(place.name("writer"))
    producer.begin()
    for number in range(50):
        producer.send(topic, b"urn:alliance:staff:x:%d" % number, b"")
    producer.commit()
    for record in read(bus.consumer([topic], group=None), 50):
        assert record.key is not None
        assert record.partition == partition_of(record.key, 7)


def test_a_partition_that_is_named_is_taken(place: Place):
    bus = place.open()
    topic = place.topic(bus, partitions=4)
    producer = bus.producer(place.name("writer"))
    producer.begin()
    for number in range(4):
        producer.send(topic, b"same key", b"%d" % number, partition=number)
    producer.commit()
    records = read(bus.consumer([topic], group=None), 4)
    assert sorted((record.partition, record.value) for record in records) == [
        (number, b"%d" % number) for number in range(4)
    ]


def test_a_record_carries_what_was_sent(place: Place):
    bus = place.open()
    topic = place.topic(bus)
    headers = [("ce_id", b"1"), ("ce_id", b"again"), ("empty", b""), ("ümlaut", bytes(range(256)))]
    producer = bus.producer(place.name("writer"))
    producer.begin()
    producer.send(topic, b"\x00\xff", b"\x00value", headers, timestamp=1_700_000_000_123)
    producer.send(topic, b"", b"")
    producer.send(topic, b"deleted", None)
    producer.send(topic, None, b"keyless")
    with pytest.raises(BadRecordError, match="neither key nor value"):
        producer.send(topic, None, None)
    producer.commit()
    full, empty, deleted, keyless = read(bus.consumer([topic], group=None), 4)
    assert (full.topic, full.partition, full.offset) == (topic, 0, 0)
    assert (full.key, full.value, full.timestamp) == (b"\x00\xff", b"\x00value", 1_700_000_000_123)
    assert list(full.headers) == headers
    assert (empty.key, empty.value, list(empty.headers)) == (b"", b"", [])
    assert (deleted.key, deleted.value) == (b"deleted", None)
    assert (keyless.key, keyless.value) == (None, b"keyless")


def test_a_poll_gives_no_more_than_it_was_asked_for_and_loses_none(place: Place):
    bus = place.open()
    topic = place.topic(bus, partitions=2)
    producer = bus.producer(place.name("writer"))
    producer.begin()
    for number in range(100):
        producer.send(topic, b"key", b"%d" % number, partition=number % 2)
    producer.commit()
    consumer = bus.consumer([topic], group=None)
    found: list[Received] = []
    while len(found) < 100:
        records = poll(consumer, max_records=7)
        assert len(records) <= 7
        found += records
        for record in records:
            rest = [r for r in found if r.partition == record.partition]
            after = consumer.position(TopicPartition(topic, record.partition))
            assert after == rest[-1].offset + 1 or len(rest) == 50
    for number in range(2):
        mine = [record for record in found if record.partition == number]
        assert values(mine) == [b"%d" % n for n in range(number, 100, 2)]


def test_a_large_record_passes_whole(place: Place):
    bus = place.open()
    topic = place.topic(bus)
    large = bytes(range(256)) * 4096 * 5
    send(bus, topic, [b"before", large, b"after"])
    assert values(read(bus.consumer([topic], group=None), 3)) == [b"before", large, b"after"]


def test_a_record_at_the_limit_passes_and_one_above_it_is_refused(place: Place):
    bus = place.open()
    topic = place.topic(bus)
    producer = bus.producer(place.name("writer"))
    producer.begin()
    with pytest.raises(BadRecordError, match=str(RECORD_LIMIT_BYTES)):
        producer.send(topic, b"key", bytes(RECORD_LIMIT_BYTES))
    producer.send(topic, b"key", bytes(RECORD_LIMIT_BYTES - 3))
    producer.commit()
    (record,) = read(bus.consumer([topic], group=None), 1)
    assert record.value == bytes(RECORD_LIMIT_BYTES - 3)


def test_a_record_without_a_key_is_refused_where_the_newest_of_each_key_is_kept(place: Place):
    bus = place.open()
    state = place.topic(bus, spec=TopicSpec(place.name("state"), 1, "compact"))
    producer = bus.producer(place.name("writer"))
    producer.begin()
    producer.send(state, b"key", b"good")
    with pytest.raises(BadRecordError, match="no key"):
        producer.send(state, None, b"value")
    producer.commit()
    assert shows(bus, state, b"good")


def test_seek_goes_back_and_forth(place: Place):
    bus = place.open()
    topic = place.topic(bus)
    send(bus, topic, [b"%d" % n for n in range(10)])
    consumer = bus.consumer([topic], group=place.name("group"))
    read(consumer, 10)
    consumer.seek(TopicPartition(topic, 0), 7)
    assert consumer.position(TopicPartition(topic, 0)) == 7
    assert values(read(consumer, 3)) == [b"7", b"8", b"9"]
    consumer.seek(TopicPartition(topic, 0), 0)
    assert values(read(consumer, 4, max_records=4)) == [b"0", b"1", b"2", b"3"]
    consumer.seek(TopicPartition(topic, 0), 9)
    assert values(read(consumer, 1)) == [b"9"]


def test_a_consumer_without_a_group_reads_everything_every_time(place: Place):
    bus = place.open()
    topic = place.topic(bus)
    send(bus, topic, [b"a", b"b"])
    for _ in range(2):
        consumer = bus.consumer([topic], group=None)
        assert values(read(consumer, 2)) == [b"a", b"b"]
        consumer.close()


def test_a_consumer_sees_what_is_sent_after_it_began(place: Place):
    bus = place.open()
    topic = place.topic(bus)
    consumer = bus.consumer([topic], group=None)
    assert poll(consumer) == []
    send(place.open(), topic, [b"new"])
    assert values(read(consumer, 1)) == [b"new"]


def test_read_all_gives_what_is_there_and_then_ends(place: Place):
    bus = place.open()
    topic = place.topic(bus, partitions=2)
    producer = bus.producer(place.name("writer"))
    assert list(bus.read_all(topic)) == []
    for _ in range(2):
        producer.begin()
        for number in range(2000):
            producer.send(topic, b"key", b"%d" % number, partition=number % 2)
        producer.commit()
    producer.begin()
    producer.send(topic, b"key", b"aborted", partition=0)
    producer.abort()
    wait_until(lambda: len(list(bus.read_all(topic))) >= 4000)
    records = list(bus.read_all(topic))
    assert len(records) == 4000
    for number in range(2):
        mine = [record for record in records if record.partition == number]
        assert values(mine) == [b"%d" % n for n in range(number, 2000, 2)] * 2


def test_one_consumer_reads_several_topics(place: Place):
    bus = place.open()
    one, two = place.topic(bus), place.topic(bus)
    send(bus, one, [b"1"])
    send(bus, two, [b"2"])
    consumer = bus.consumer([one, two], group=None)
    assert sorted((r.topic, r.value) for r in read(consumer, 2)) == sorted([(one, b"1"), (two, b"2")])
    wait_until(lambda: consumer.assignment() == {TopicPartition(one, 0), TopicPartition(two, 0)})


def test_a_topic_that_is_missing_is_named_with_the_command_that_makes_it(place: Place):
    bus = place.open()
    missing = place.name("missing")
    producer = bus.producer(place.name("writer"))
    with pytest.raises(ConfigurationError, match="alliance-hub topics apply") as refused:
        bus.partitions(missing)
    assert missing in str(refused.value)
    with pytest.raises(ConfigurationError, match="alliance-hub topics apply"):
        list(bus.read_all(missing))
    with pytest.raises(ConfigurationError, match="alliance-hub topics apply"):
        poll(bus.consumer([missing], group=None))
    producer.begin()
    with pytest.raises(ConfigurationError, match="alliance-hub topics apply"):
        producer.send(missing, b"key", b"value")
    producer.abort()
