"""A real Kafka for tests, one a session, from the first of three that can be had.

HUB_TEST_KAFKA=host:port    a broker that runs already
Docker                      the image HUB_TEST_KAFKA_IMAGE, if it is there or arrives in 60 s
Java 17 and Maven           deploy/kafka, one node on a free port with its data in a temporary folder
"""

import atexit
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from deploy.kafka.broker import SETTINGS, Broker, BrokerError, free_port
from hub.bus import open_bus
from hub.errors import TransientError
from tests.needs import missing
from tests.waiting import wait_until

IMAGE = os.environ.get("HUB_TEST_KAFKA_IMAGE", "apache/kafka:4.3.0")
ARRIVAL_SECONDS = 60


@cache
def broker() -> str:
    """The address of the session's broker; skips the test, or fails it in CI, where there is none."""
    running = os.environ.get("HUB_TEST_KAFKA")
    if running:
        return running
    address, no_docker = _in_docker()
    if address is not None:
        return address
    started = own_broker(no_docker)
    return started.address


@pytest.fixture(scope="session")
def kafka_address() -> str:
    return broker()


@pytest.fixture(scope="module")
def fresh_broker() -> Iterator[Broker]:
    """A broker of one test file's own, for the hub's topics have fixed names."""
    started = own_broker()
    yield started
    started.stop()


def own_broker(otherwise: str = "", settings: Mapping[str, str] | None = None, port: int = 0) -> Broker:
    """One more broker, for a test that stops it or sets it up otherwise; it ends with the session."""
    folder = Path(tempfile.mkdtemp(prefix="hub-kafka-"))
    started = Broker(folder, port, settings)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        started.start()
    except BrokerError as error:
        missing(
            "Kafka is needed: set HUB_TEST_KAFKA=host:port to a broker that runs, or start Docker"
            f" {otherwise}, or install Java 17 and Maven ({error})"
        )
    if settings is None:
        _wait_until_it_takes_transactions(started.address)
    return started


def _wait_until_it_takes_transactions(address: str) -> None:
    """A broker listens some time before, and on a busy machine for longer than a producer waits."""
    with closing(open_bus(f"kafka://{address}")) as bus:

        def taken() -> bool:
            try:
                bus.producer("tests.first").close()
            except TransientError:
                return False
            return True

        wait_until(taken, f"Kafka at {address} takes transactions")


def _in_docker() -> tuple[str | None, str]:
    """The address of a broker in a container, or why there is none."""
    import docker
    from docker.errors import DockerException

    if not _daemon_listens():
        return None, "(no daemon answers now)"
    try:
        client = docker.from_env(timeout=5)
        client.ping()
    except DockerException:
        return None, "(no daemon answers now)"
    try:
        if not _arrives(client, IMAGE):
            return None, f"(the image {IMAGE} did not arrive in {ARRIVAL_SECONDS} s)"
        return _start_container(client), ""
    except (DockerException, OSError) as error:
        return None, f"({error})"
    finally:
        client.close()


def _daemon_listens() -> bool:
    """Look before asking: the Docker client leaks its socket where nobody listens."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(host.removeprefix("unix://")) == 0


def _arrives(client, image) -> bool:
    from docker.errors import APIError, ImageNotFound

    try:
        client.images.get(image)
    except ImageNotFound:
        deadline = time.monotonic() + ARRIVAL_SECONDS
        try:
            for _progress in client.api.pull(image, stream=True, decode=True):
                if time.monotonic() > deadline:
                    return False
            client.images.get(image)
        except (APIError, OSError):
            return False
    return True


def _start_container(client) -> str:
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    # The reaper ends the container after a crash; where its image does not arrive, the exit does.
    testcontainers_config.ryuk_disabled = not _arrives(client, testcontainers_config.ryuk_image)
    port = free_port()
    container = DockerContainer(IMAGE).with_bind_ports(9092, port)
    for name, value in (SETTINGS | _listeners(port)).items():
        container.with_env("KAFKA_" + name.replace(".", "_").upper(), value)
    started = LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(ARRIVAL_SECONDS)
    container.waiting_for(started).start()
    atexit.register(container.stop)
    return f"127.0.0.1:{port}"


def _listeners(port) -> dict[str, str]:
    """The broker asks itself about transactions too, and within its container it has another address."""
    return {
        "listeners": "PLAINTEXT://:9092,WITHIN://localhost:9094,CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port},WITHIN://localhost:9094",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,WITHIN:PLAINTEXT",
        "inter.broker.listener.name": "WITHIN",
        "controller.quorum.voters": "1@localhost:9093",
    }
