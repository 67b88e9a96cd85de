"""A connector on the embedded bus that is frozen, replaced and wakes; on Kafka see test_kafka.py."""

import signal
from contextlib import closing

import pytest

from hub.bus.embedded_locks import FileLock
from tests.waiting import wait_until

pytestmark = pytest.mark.long

FORCES = ("leicestershire", "northamptonshire", "nottinghamshire")


def freeze(running, state):
    """Freeze a process at a moment when it does not hold the bus's write lock, which all wait for."""
    with closing(FileLock(state / "bus.db.locks" / "write")) as lock:

        def frozen():
            running.signal(signal.SIGSTOP)
            if lock.try_take():
                lock.drop()
                return True
            running.signal(signal.SIGCONT)
            return False

        wait_until(frozen, lambda: "it is frozen and holds no lock")


def test_a_connector_that_wakes_after_another_took_over_publishes_nothing_and_stands_by(world):
    made = world()
    hub = made.start("up", forces=FORCES[1:])
    zombie = made.start("connect", FORCES[0])

    def applied():
        return hub.metric(
            "alliance_hub_records_total", stage="view", force=FORCES[0], domain="incident", outcome="applied"
        )

    with made.in_use():
        wait_until(applied, lambda: f"its incidents are visible: {zombie.text}")
        freeze(zombie, made.state)
        successor = made.start("connect", FORCES[0])
        before = applied()
        wait_until(lambda: applied() > before + 5, lambda: f"the successor publishes: {successor.text}")
        zombie.signal(signal.SIGCONT)
        wait_until(lambda: zombie.text.count("stands by") == 2, lambda: f"both of its feeds: {zombie.text}")
        hub.wait_until_ready()
    made.catch_up()
    assert "FencedError" in zombie.text
    assert zombie.stop() == 0, zombie.text
    assert (
        "a newer producer has taken over transactional id 'leicestershire.incident.connector'" in zombie.text
    )
    assert successor.stop() == 0, successor.text
    assert hub.stop() == 0, hub.text
    made.assert_true()
