"""deploy/systemd on a machine that systemd boots: the units start, confined, come back and end."""

import time

import pytest

from tests.containers.figures import say
from tests.containers.machine import UNITS, Machine, end_machine

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

CONNECTOR = "alliance-hub-connect@leicestershire"
TOPICS = "alliance-hub-topics"


@pytest.fixture(scope="module")
def machine(images, tmp_path_factory):
    end_machine()
    try:
        machine = Machine(tmp_path_factory.mktemp("settings"))
        machine("systemctl", "enable", "alliance-hub.target", *UNITS)
        machine("systemctl", "start", "alliance-hub.target")
        machine.wait(lambda: machine.ready(*UNITS), "every process is ready")
        yield machine
    finally:
        end_machine()


def test_the_target_starts_every_unit_and_each_is_confined(machine):
    for unit in UNITS:
        state = machine.state(unit)
        assert (state["ActiveState"], state["SubState"]) == ("active", "running")
        status = machine("cat", f"/proc/{state['MainPID']}/status")
        told = dict(line.split(":\t", 1) for line in status.splitlines())
        assert int(told["CapEff"], 16) == 0
        assert (told["NoNewPrivs"], told["Seccomp"]) == ("1", "2")
        assert told["Uid"].split()[0] != "0"
    assert machine.state(TOPICS)["SubState"] == "exited"


def test_an_incident_becomes_visible(machine):
    def records():
        (answer,) = machine.ask("http://127.0.0.1:8080/incidents?force=leicestershire")
        return answer is not None and answer["records"]

    machine.wait(records, "an incident is visible")


def test_a_connector_that_is_restarted_goes_on(machine):
    before = machine.state(CONNECTOR)["MainPID"]
    began = time.monotonic()
    machine("systemctl", "restart", CONNECTOR)
    machine.wait(lambda: machine.ready(CONNECTOR), "the connector is ready")
    say(f"systemctl restart of a connector: ready after {time.monotonic() - began:.1f} s")
    state = machine.state(CONNECTOR)
    assert state["MainPID"] not in {"0", before}
    assert state["NRestarts"] == "0"


@pytest.mark.parametrize("unit", [CONNECTOR, "alliance-hub-view"])
def test_a_process_that_is_killed_is_started_again(machine, unit):
    before = machine.state(unit)
    machine("systemctl", "kill", "--signal=KILL", unit)

    def is_back():
        state = machine.state(unit)
        return state["SubState"] == "running" and state["MainPID"] != before["MainPID"]

    machine.wait(is_back, f"{unit} is back")
    machine.wait(lambda: machine.ready(unit), f"{unit} is ready")
    assert int(machine.state(unit)["NRestarts"]) == int(before["NRestarts"]) + 1


def test_with_the_target_every_process_ends_well(machine):
    """The topics' unit too, so that they are looked at again when the target is started."""
    machine("systemctl", "stop", "alliance-hub.target")
    states = {}

    def ended():
        states.update({unit: machine.state(unit) for unit in (*UNITS, TOPICS)})
        return all(state["ActiveState"] not in {"active", "deactivating"} for state in states.values())

    machine.wait(ended, "every process has ended")
    told = {unit: (state["ActiveState"], state["Result"]) for unit, state in states.items()}
    assert told == dict.fromkeys(states, ("inactive", "success"))
    assert all(state["ExecMainStatus"] == "0" for state in states.values())
