"""A machine in a container, booted by systemd, with the hub installed as deploy/systemd says."""

import hashlib
import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.containers.engine import ROOT, run

NAME = "alliance-hub-machine"
PACKAGES = ("systemd", "dbus", "python3")
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
COMPILED = "PYTHONPYCACHEPREFIX=/opt/alliance-hub/compiled"
"""Where the image, whose program the machine has, keeps what Python compiled."""

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


class Machine:
    """Booted; its settings are in `folder`, and stand-ins for the legacy systems go on in /srv/legacy."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        (folder / "hub.toml").write_text(SETTINGS, "utf-8")
        for unit, port in UNITS.items():
            (folder / f"{unit}.env").write_text(f"HUB_PORT={port}\n{COMPILED}\n", "utf-8")
        options = ("--cgroupns", "private", "--network", "none", "--tmpfs", "/run", "--tmpfs", "/run/lock")
        mount = ("--volume", f"{folder}:/etc/alliance-hub:ro")
        run("docker", "run", "--detach", "--name", NAME, *_rights(), *options, *mount, _image())
        self.wait(lambda: self.state("basic.target")["ActiveState"] == "active", "the machine has booted")
        standins = (HUB, "standins", "--folder", "/srv/legacy", "--feed", "127.0.0.1:8090")
        self("systemd-run", "--unit=legacy", f"--setenv={COMPILED}", *standins)
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


def _image() -> str:
    """Of the machine, on a base that is made once, and anew when what it is made of changes."""
    script = ROOT / "deploy" / "images" / "base.sh"
    tag = hashlib.sha256(" ".join(PACKAGES).encode() + script.read_bytes()).hexdigest()[:12]
    base = f"alliance-hub/base-machine:{tag}"
    known = subprocess.run(["docker", "image", "inspect", base], capture_output=True, check=False)
    if known.returncode:
        run("sh", str(script), base, *PACKAGES)
    steps = Path(__file__).with_name("machine.Dockerfile").read_text("utf-8")
    context = str(ROOT / "deploy" / "systemd")
    made = ("--quiet", "--build-arg", f"BASE_IMAGE={base}", "--tag", "alliance-hub/machine", "--file", "-")
    run("docker", "build", *made, context, input=steps)
    return "alliance-hub/machine"


def _rights() -> tuple[str, ...]:
    """Every right; where this machine has not all of them to give, those that systemd cannot do without."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    return ALL_RIGHTS if int(status["CapBnd"], 16) == (1 << (last + 1)) - 1 else RIGHTS
