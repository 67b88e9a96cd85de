"""A Kafka broker that is killed, frozen or cut off, and a connector that wakes after it was replaced."""

import json
import os
import signal
import time

import pytest

from deploy.kafka.broker import Broker, BrokerError, free_port
from tests.faults.network import Network
from tests.faults.world import World
from tests.needs import missing
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(900)]

FORCES = ("leicestershire", "northamptonshire", "nottinghamshire")


def broker_behind(network, folder, port):
    """A broker that the hub can reach through the network alone; with itself it speaks past it."""
    inside, controller = free_port(), free_port()
    settings = {
        "listeners": f"PLAINTEXT://127.0.0.1:{port},INSIDE://127.0.0.1:{inside},"
        f"CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{network.port},INSIDE://127.0.0.1:{inside}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT",
        "inter.broker.listener.name": "INSIDE",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
    }
    broker = Broker(folder, port, settings)
    try:
        broker.start()
    except BrokerError as error:
        missing(f"install Java 17 and Maven ({error})")
    return broker


@pytest.fixture(scope="module")
def scene(tmp_path_factory, postgres_server):
    """A hub at work on a broker behind a network, one force's connectors in a process of their own."""
    folder = tmp_path_factory.mktemp("kafka-faults")
    port, database = free_port(), postgres_server.create()
    network = Network(port)
    broker = broker_behind(network, folder / "broker", port)
    world = World(
        folder / "world", bus=f"kafka://127.0.0.1:{network.port}", store=postgres_server.url(database)
    )
    hub = world.start("up", forces=FORCES[1:])
    connector = world.start("connect", FORCES[0])
    yield world, hub, connector, broker, network
    world.close()
    network.close()
    broker.kill()
    postgres_server.drop(database)


@pytest.fixture(autouse=True)
def truth(scene):
    """After each fault the hub catches up by itself, and the view is what is true."""
    world, hub, *_ = scene
    with world.in_use():
        yield
        hub.wait_until_ready()
    world.catch_up()
    world.assert_true()


def test_a_broker_that_is_killed_and_comes_back_is_waited_for(scene):
    _, hub, connector, broker, _ = scene
    hub.wait_until_ready()
    broker.kill()
    hub.wait_until_told("normalise", "view")
    connector.wait_until_told()
    broker.start()


def test_a_broker_that_is_frozen_for_longer_than_a_transaction_lives_is_waited_for(scene):
    _, hub, _, broker, _ = scene
    tries = hub.text.count("trying again")
    frozen_at = time.monotonic()
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        hub.wait_until_told("normalise", "view")
        # The broker drops a transaction after ten seconds, and a commit is given up after fifteen.
        wait_until(
            lambda: time.monotonic() > frozen_at + 12 and hub.text.count("trying again") > tries,
            lambda: f"what is open is given up: {hub.readiness()}",
        )
    finally:
        os.kill(broker.pid, signal.SIGCONT)


def test_a_network_that_refuses_and_one_that_swallows_are_waited_for(scene):
    _, hub, connector, _, network = scene
    network.cut()
    hub.wait_until_told("normalise", "view")
    connector.wait_until_told()
    network.heal()
    hub.wait_until_ready()
    connector.wait_until_ready()
    network.swallow()
    hub.wait_until_told("normalise", "view")
    connector.wait_until_told()
    network.heal()
    connector.wait_until_ready()


def test_a_connector_that_wakes_after_another_took_over_publishes_nothing_and_stands_by(scene):
    world, _, zombie, *_ = scene

    def published(process):
        name = "alliance_hub_records_total"
        return [process.metric(name, outcome="published", domain=domain) for domain in ("incident", "hr")]

    wait_until(lambda: all(published(zombie)), lambda: f"both of its feeds run: {zombie.text}")
    zombie.signal(signal.SIGSTOP)
    successor = world.start("connect", FORCES[0])
    wait_until(
        lambda: sum(published(successor)) > 10,
        lambda: f"the successor publishes: {successor.text}",
    )
    zombie.signal(signal.SIGCONT)
    wait_until(lambda: zombie.text.count("stands by") == 2, lambda: f"both of its feeds: {zombie.text}")
    for line in [json.loads(line) for line in zombie.text.splitlines() if "stands by" in line]:
        assert "FencedError" in line["error"]
        assert "another process" in line["message"]
    assert "published" not in zombie.text
