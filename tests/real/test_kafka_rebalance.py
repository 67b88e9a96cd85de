"""Members of one group that come and go in the midst of transactions: each record comes out once."""

import uuid

import pytest

from hub.bus import open_bus
from hub.bus.contract import Offset, TopicPartition
from hub.errors import TransientError
from tests.real.kafka_member import PARTITIONS, Member, Writer, assert_each_came_out_once_and_in_order, fill
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.kafka


@pytest.fixture
def url(kafka_address):
    return f"kafka://{kafka_address}"


@pytest.fixture
def bus(url):
    opened = open_bus(url)
    yield opened
    opened.close()


def test_members_that_join_and_leave_copy_every_record_once_and_in_order(bus, url):
    source, out = fill(bus, 0)
    group = f"group.{uuid.uuid4().hex}"
    with Writer(bus, source) as writer:
        one = Member(url, group, source, out, "one")
        one.start()
        wait_until(lambda: one.copied > 100)
        two = Member(url, group, source, out, "two")
        two.start()
        wait_until(lambda: two.copied > 100 or not two.is_alive())
        one.stop.set()
        one.join(PATIENCE_SECONDS)
        alone = two.copied
        wait_until(lambda: two.copied > alone + 100 or not two.is_alive())
    wait_until(lambda: len(list(bus.read_all(out))) >= writer.written)
    two.stop.set()
    two.join(PATIENCE_SECONDS)
    assert (one.error, two.error) == (None, None)
    assert_each_came_out_once_and_in_order(bus, out, writer.written)


def test_offsets_of_an_assignment_that_has_moved_on_are_refused_and_the_transaction_with_them(bus, url):
    source, out = fill(bus, 100)
    group, everything = f"group.{uuid.uuid4().hex}", {TopicPartition(source, n) for n in range(PARTITIONS)}
    producer = bus.producer(f"writer.{group}")
    one = bus.consumer([source], group=group, instance="one")
    wait_until(lambda: one.poll(timeout_seconds=0.1, max_records=1) and one.assignment() == everything)
    producer.begin()
    producer.send(out, b"key", b"of an old assignment")
    producer.keep_offsets(one, {tp: Offset(1) for tp in everything})
    other = open_bus(url)
    two = other.consumer([source], group=group, instance="two")

    def shared():
        one.poll(timeout_seconds=0.1, max_records=1)
        two.poll(timeout_seconds=0.1, max_records=1)
        return len(one.assignment()) == len(two.assignment()) == PARTITIONS // 2

    wait_until(shared)
    with pytest.raises(TransientError, match="group"):
        producer.commit()
    other.close()
    assert list(bus.read_all(out)) == []
    assert bus.group_offsets(group, [source]) == {}
