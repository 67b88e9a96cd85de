"""A machine in a container, booted by systemd, with the hub installed as deploy/systemd says."""

import hashlib
import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.containers.engine import ROOT, run

NAME = "alliance-hub-machine"
PACKAGES = ("systemd", "dbus", "python3", "python3-venv")
UNITS = {
    "alliance-hub-connect@leicestershire": 8084,
    "alliance-hub-normalise@1": 8083,
    "alliance-hub-view": 8082,
    "alliance-hub-serve": 8080,
    "alliance-hub-reconcile": 8081,
}
PATIENCE_SECONDS = 240
SETTINGS = """
[sources.leicestershire.incident]
location = "sqlite:////srv/legacy/leicestershire/incidents.db"
[sources.leicestershire.hr]
location = "sqlite:////srv/legacy/leicestershire/people.db"
"""
HUB = "/opt/alliance-hub/bin/alliance-hub"
WHEELS = ROOT / "dist" / "image"
"""What deploy/images/build.sh fetched, of which pip installs, since there is no network."""
ASK = """
import json, sys, urllib.request as u
def ask(address):
    try:
        return json.load(u.urlopen(address, timeout=20))
    except OSError:
        return None
print(json.dumps([ask(address) for address in sys.argv[1:]]))
"""
ALL_RIGHTS = ("--privileged",)
RIGHTS = (
    *(word for right in ("SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN") for word in ("--cap-add", right)),
    *(word for guard in ("seccomp", "apparmor") for word in ("--security-opt", f"{guard}=unconfined")),
)
ALONE = ("--cgroupns", "private", "--network", "none", "--tmpfs", "/run", "--tmpfs", "/run/lock")
SYSTEMD = ("--show-status=no", "--log-target=console")
PIP = ("--env", "PIP_NO_INDEX=1", "--env", "PIP_FIND_LINKS=/usr/src/wheels")
BOOT = ("--env", "container=docker", "--stop-signal", "SIGRTMIN+3", "--entrypoint", "/lib/systemd/systemd")


class Machine:
    """Booted, the hub installed by the commands that deploy/systemd says, its settings in `folder`.

    Stand-ins for the legacy systems go on in /srv/legacy.
    """

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        (folder / "hub.toml").write_text(SETTINGS, "utf-8")
        for unit, port in UNITS.items():
            (folder / f"{unit}.env").write_text(f"HUB_PORT={port}\n", "utf-8")
        mounts = {folder: "/etc/alliance-hub", ROOT: "/usr/src/alliance-hub", WHEELS: "/usr/src/wheels"}
        given = [word for here, there in mounts.items() for word in ("--volume", f"{here}:{there}:ro")]
        options = (*_rights(), *BOOT, *PIP, *ALONE, *given)
        run("docker", "run", "--detach", "--name", NAME, *options, _base(), *SYSTEMD)
        self.wait(lambda: self.state("basic.target")["ActiveState"] == "active", "the machine has booted")
        self("sh", "-ec", f"cd /usr/src/alliance-hub\n{installation()}")
        standins = (HUB, "standins", "--folder", "/srv/legacy", "--feed", "127.0.0.1:8090")
        self("systemd-run", "--unit=legacy", *standins)
        self.wait(lambda: "leicestershire.hr.location" in self.journal("legacy"), "stand-ins are there")

    def __call__(self, *command: str, **options) -> str:
        return run("docker", "exec", NAME, *command, quiet=True, **options)

    def state(self, unit: str) -> dict[str, str]:
        """What systemd says of a unit, by the names of its properties."""
        told = self("systemctl", "show", unit, check=False)
        return {"ActiveState": "", **dict(line.split("=", 1) for line in told.splitlines() if "=" in line)}

    def ask(self, *addresses: str):
        """What is answered within the machine, each as JSON; None where nothing is, or an error."""
        return json.loads(self("/opt/alliance-hub/bin/python3", "-c", ASK, *addresses))

    def ready(self, *units: str) -> bool:
        answers = self.ask(*(f"http://127.0.0.1:{UNITS[unit]}/readyz" for unit in units))
        return all(answer is not None and answer["ready"] for answer in answers)

    def journal(self, unit: str = "*") -> str:
        return self("journalctl", "--no-pager", "--output=cat", f"--unit={unit}", check=False)

    def wait(self, condition, what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                units = self("systemctl", "list-units", "--all", "--no-pager", "alliance-hub*", check=False)
                said = run("docker", "logs", "--tail", "30", NAME, check=False) + self.journal()[-5000:]
                pytest.fail(
                    f"after {PATIENCE_SECONDS} s it is not so that {what}\n{units}{said}", pytrace=False
                )
            time.sleep(0.2)


def end_machine() -> None:
    run("docker", "rm", "--force", "--volumes", NAME, check=False)


def installation() -> str:
    """The commands that alliance-hub.target says, up to where each unit is enabled by its name."""
    said = (
        (ROOT / "deploy" / "systemd" / "alliance-hub.target").read_text("utf-8").partition("# Each force")[0]
    )
    return "\n".join(line.removeprefix("#   ") for line in said.splitlines() if line.startswith("#   "))


def _base() -> str:
    """The image of a machine without the hub, made once, and anew when what it is made of changes."""
    script = ROOT / "deploy" / "images" / "base.sh"
    tag = hashlib.sha256(" ".join(PACKAGES).encode() + script.read_bytes()).hexdigest()[:12]
    base = f"alliance-hub/base-machine:{tag}"
    known = subprocess.run(["docker", "image", "inspect", base], capture_output=True, check=False)
    if known.returncode:
        run("sh", str(script), base, *PACKAGES)
    return base


def _rights() -> tuple[str, ...]:
    """Every right; where this machine has not all of them to give, those that systemd cannot do without."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    return ALL_RIGHTS if int(status["CapBnd"], 16) == (1 << (last + 1)) - 1 else RIGHTS
