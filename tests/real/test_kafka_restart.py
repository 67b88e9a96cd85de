"""A broker that is killed and comes back, and one that was never there."""

import threading
import uuid

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay

from hub.bus import open_bus
from hub.errors import FencedError, TransientError
from tests.kafka_broker import own_broker
from tests.real.kafka_member import Member, assert_each_came_out_once_and_in_order, fill
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("_refused_sockets")]

RECORDS = 2000


@retry(retry=retry_if_exception_type(TransientError), stop=stop_after_delay(120), reraise=True)
def again_until_it_answers(act):
    """A broker that has just come back may refuse or be slow for a while."""
    return act()


def one_transaction(producer, topic, value):
    producer.begin()
    producer.send(topic, b"key", value, partition=0)
    producer.commit()


@pytest.fixture(scope="module")
def broker():
    started = own_broker()
    yield started
    started.kill()


def test_a_broker_killed_in_the_midst_of_transactions_loses_nothing_and_doubles_nothing(broker):
    url = f"kafka://{broker.address}"
    bus = open_bus(url)
    source, out = fill(bus, RECORDS)
    group = f"group.{uuid.uuid4().hex}"
    member = Member(url, group, source, out, "one")
    member.start()
    wait_until(lambda: member.copied > 500 or not member.is_alive())
    broker.kill()
    broker.start()
    wait_until(
        lambda: (
            sum(
                kept.offset
                for kept in again_until_it_answers(lambda: bus.group_offsets(group, [source])).values()
            )
            >= RECORDS
        )
    )
    member.stop.set()
    member.join(PATIENCE_SECONDS)
    assert member.error is None
    assert_each_came_out_once_and_in_order(bus, out, RECORDS)
    bus.close()


def test_a_producer_that_was_cut_off_goes_on_only_if_nobody_took_over_meanwhile(
    broker, monkeypatch: pytest.MonkeyPatch
):
    url = f"kafka://{broker.address}"
    bus, elsewhere = open_bus(url), open_bus(url)
    _, out = fill(bus, 1)
    alone, replaced = bus.producer("alone"), bus.producer("replaced")
    for producer in (alone, replaced):
        producer.begin()
        producer.send(out, b"key", b"never committed", partition=0)
    broker.kill()
    with monkeypatch.context() as impatient:
        impatient.setattr("hub.bus.kafka_producer._PATIENCE_SECONDS", 1)
        for producer in (alone, replaced):
            with pytest.raises(TransientError):
                producer.commit()
    broker.start()
    successor = again_until_it_answers(lambda: elsewhere.producer("replaced"))
    again_until_it_answers(lambda: one_transaction(alone, out, b"1"))
    with pytest.raises(FencedError, match="replaced"):
        again_until_it_answers(replaced.begin)
    again_until_it_answers(lambda: one_transaction(successor, out, b"2"))
    assert list(dict.fromkeys(record.value for record in bus.read_all(out))) == [b"1", b"2"]
    elsewhere.close()
    bus.close()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-such-host.invalid:9092"])
def test_where_no_broker_answers_the_error_names_the_address_and_the_remedy(
    address, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hub.bus.kafka_connect.START_MS", 500)
    before = set(threading.enumerate())
    bus = open_bus(f"kafka://{address}")
    for use in (
        lambda: bus.partitions("topic"),
        lambda: bus.producer("writer"),
        lambda: bus.consumer(["topic"], group=None),
        lambda: bus.end_offsets(["topic"]),
    ):
        with pytest.raises(TransientError, match=rf"no Kafka broker answers at {address}.*make kafka"):
            use()
    bus.close()
    assert set(threading.enumerate()) <= before
