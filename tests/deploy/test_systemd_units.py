"""deploy/systemd as systemd itself reads it: nothing misspelt, nothing missing, little left to exploit."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import missing

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
INSTANCES = {
    "alliance-hub-connect@.service": "alliance-hub-connect@leicestershire.service",
    "alliance-hub-normalise@.service": "alliance-hub-normalise@2.service",
}
SERVICES = [INSTANCES.get(unit.name, unit.name) for unit in sorted(UNITS.glob("*.service"))]
MOST_EXPOSED = "15"
"""Tenths, of systemd's scale from 0 to 10; without what the drop-in forbids it would be 92."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """The root of a machine with systemd's own units, ours, and the program."""
    own = Path("/usr/lib/systemd/system")
    if shutil.which("systemd-analyze") is None or not own.exists():
        missing("install systemd (Debian), whose systemd-analyze reads units; it need not run")
    root = tmp_path_factory.mktemp("machine")
    shutil.copytree(own, root / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, root / "etc/systemd/system")
    program = root / "opt/alliance-hub/bin/alliance-hub"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    return root


def analyze(machine, *arguments):
    command = ["systemd-analyze", f"--root={machine}", "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("unit", ["alliance-hub.target", *SERVICES])
def test_systemd_finds_no_fault(machine, unit):
    done = analyze(machine, "verify", "--man=no", unit)
    ours = [line for line in done.stderr.splitlines() if "alliance-hub" in line]
    assert not ours, done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("unit", SERVICES)
def test_a_unit_is_confined(machine, unit):
    done = analyze(machine, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Overall exposure level for {unit}" in done.stdout


@pytest.mark.parametrize("unit", sorted(UNITS.glob("*.service")), ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_there_is(unit):
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read(unit)
    program, *words = parsed["Service"]["ExecStart"].replace("%i", "leicestershire").split()
    assert program == "/opt/alliance-hub/bin/alliance-hub"
    hub = str(Path(sys.executable).with_name("alliance-hub"))
    done = subprocess.run(
        [hub, *words, "--help"], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_every_process_belongs_to_the_target():
    wanted = {
        unit.name for unit in UNITS.glob("*.service") if "WantedBy=alliance-hub.target" in unit.read_text()
    }
    assert wanted == {unit.name for unit in UNITS.glob("*.service")}
    assert len(wanted) == 6
