"""The broker that tests and people start."""

import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from deploy.kafka.broker import BrokerError, free_port, java, listens
from hub.bus import open_bus
from hub.bus.contract import TopicSpec
from hub.bus.kafka_admin import KafkaAdmin
from hub.bus.kafka_url import parse_kafka_url
from hub.errors import TransientError
from tests import kafka_broker
from tests.needs import missing
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.kafka

START = "deploy/kafka/broker.py"


@pytest.fixture
def started(tmp_path, request):
    """A broker as `make kafka` starts it, once it has said where it listens."""
    try:
        java()
    except BrokerError as error:
        missing(str(error))
    port = free_port()
    command = [
        sys.executable,
        str(request.config.rootpath / START),
        "--port",
        str(port),
        "--data",
        str(tmp_path / "kafka"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as script:
        assert script.stdout is not None
        assert b"127.0.0.1:%d" % port in script.stdout.readline()
        yield script, port, command
        script.kill()


def test_a_broker_ends_with_its_starter_even_when_that_is_killed(started):
    script, port, _ = started
    assert listens(port)
    script.send_signal(signal.SIGKILL)
    wait_until(lambda: not listens(port))


def test_ctrl_c_ends_it_in_order_and_a_second_one_on_the_port_is_refused(started):
    script, port, command = started
    data = Path(command[-1])
    second = subprocess.run([*command, "--forget", str(data)], capture_output=True, check=False)
    assert second.returncode == 1
    assert b"listens on 127.0.0.1" in second.stderr
    assert (data / "data" / "meta.properties").exists()
    script.send_signal(signal.SIGINT)
    assert script.wait(PATIENCE_SECONDS) == 0
    assert not listens(port)


def test_a_broker_that_runs_already_is_taken_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HUB_TEST_KAFKA", "broker.example.org:9092")
    assert kafka_broker.broker.__wrapped__() == "broker.example.org:9092"


def test_a_question_that_waits_long_holds_up_no_other(kafka_address):
    admin = KafkaAdmin(parse_kafka_url(f"kafka://{kafka_address}"))
    answered, asked = threading.Event(), threading.Event()

    def slow(_client):
        asked.set()
        return answered.wait(60)

    waits = threading.Thread(target=admin._ask, args=("waiting", slow))
    waits.start()
    assert asked.wait(60)
    assert isinstance(admin.describe_topics(), dict)
    assert waits.is_alive()
    answered.set()
    waits.join()
    admin.close()


def test_a_member_that_is_given_nothing_for_long_says_so(kafka_address, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hub.bus.kafka_consumer._JOIN_SECONDS", 0)
    bus = open_bus(f"kafka://{kafka_address}")
    topic = TopicSpec(f"topic.{uuid.uuid4().hex}", 1, "delete")
    bus.create_topics([topic])
    consumer = bus.consumer([topic.name], group=f"group.{uuid.uuid4().hex}", instance="one")
    with pytest.raises(TransientError, match="has given this member no partitions for"):
        consumer.poll(timeout_seconds=0, max_records=1)

    def joined():
        try:
            consumer.poll(timeout_seconds=0.1, max_records=1)
        except TransientError:
            return False
        return bool(consumer.assignment())

    wait_until(joined)
    assert consumer.poll(timeout_seconds=0, max_records=1) == []
    bus.close()
