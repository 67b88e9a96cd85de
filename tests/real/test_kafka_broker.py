"""The broker that tests and people start."""

import signal
import subprocess
import sys

import pytest

from deploy.kafka.broker import BrokerError, free_port, java, listens
from tests import kafka_broker
from tests.needs import missing
from tests.real.kafka_member import wait

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
    wait(lambda: not listens(port))


def test_ctrl_c_ends_it_in_order_and_a_second_one_on_the_port_is_refused(started):
    script, port, command = started
    second = subprocess.run(command, capture_output=True, check=False)
    assert second.returncode == 1
    assert b"listens on 127.0.0.1" in second.stderr
    script.send_signal(signal.SIGINT)
    assert script.wait(30) == 0
    assert not listens(port)


def test_a_broker_that_runs_already_is_taken_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HUB_TEST_KAFKA", "broker.example.org:9092")
    assert kafka_broker.broker.__wrapped__() == "broker.example.org:9092"
