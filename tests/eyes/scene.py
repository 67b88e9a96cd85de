"""A hub at work on a small disk, with a real Prometheus that watches it; what an operator does to it."""

import contextlib
import os
import resource
import shlex
import sqlite3
import subprocess
from pathlib import Path

from connectors.standins.truth import TruthIncident
from tests.eyes.prometheus import Prometheus
from tests.eyes.rules import alerts, quicker, sections
from tests.faults.running import PROGRAM
from tests.faults.world import World
from tests.waiting import wait_until

FACTOR = 20
"""How much quicker the alerts are here: each `for`, window and age of theirs is so many times shorter."""

DISK_BYTES = 256 * 1024 * 1024


class Scene:
    """The three forces' stand-ins, `alliance-hub up` on them, and Prometheus with the quicker rules.

    `small_disk` says whether the hub's files are on a disk that can be filled.
    """

    def __init__(self, folder):
        self._open = contextlib.ExitStack()
        self.disk = folder / "disk"
        self.disk.mkdir()
        self.small_disk = self._mount()
        self.rests = folder / "rests"
        self.world = World(folder / "world", state=self.disk / "state")
        self._open.callback(self.world.close)
        resting = str(Path(__file__).with_name("resting"))
        self.environ = {"PYTHONPATH": resting, "RESTS_WHILE": str(self.rests)}
        self.prometheus = Prometheus(folder / "prometheus", quicker(FACTOR))
        self._open.callback(self.prometheus.end)
        self._log = folder / "hub.log"
        self.start()

    def start(self):
        self.hub = self.world.start("up", environ=self.environ, log=self._log)
        self.prometheus.watch(self.hub.address)

    def enter(self, force, amount):
        """Enter so many new incidents in a force's system, all at once."""
        legacy = self.world.legacy
        now = legacy.clock().replace(microsecond=0)
        date = now.date()
        numbers = [legacy.book.number(force, date) for _ in range(amount)]
        truths = [TruthIncident(force, date, number, now, grade="PRIORITY") for number in numbers]
        legacy.enter(truths, [now] * amount)
        legacy.finish()

    def leicestershire(self, domain, statement):
        """Do something to one of Leicestershire's databases."""
        place = self.world.locations["leicestershire", domain].removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(place, timeout=60)) as database, database:
            database.execute(statement)

    @contextlib.contextmanager
    def reconciling(self, *words):
        """Compare again and again, watched by Prometheus."""
        process = self.world.start("reconcile", *words, "--every", "1s")
        self.prometheus.watch(process.address, job="others")
        yield
        assert process.stop() == 0, process.text
        self.prometheus.watch(job="others")

    def follow(self, alert, command, **values):
        """Do what the alert's section of the runbook says: a command that stands there, filled in."""
        rule = next(each for each in alerts() if each["alert"] == alert)
        section = sections()[rule["annotations"]["runbook"].partition("#")[2]]
        assert f"alliance-hub {command}" in section, f"{command} is not in the runbook for {alert}"
        words = [values.get(word, word) for word in shlex.split(command)]
        return self.run(*words)

    def run(self, *words):
        """A command of the hub, on the configuration of the running one."""
        config = self.world.folder / "hub-1.toml"
        return subprocess.run(
            [PROGRAM, *words, "--config", str(config)],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def wait_until_firing(self, alert, **labels):
        wait_until(lambda: self.prometheus.firing(alert, **labels), lambda: f"{alert} fires: {self._told()}")

    def wait_until_over(self, alert, **labels):
        wait_until(
            lambda: not self.prometheus.firing(alert, **labels), lambda: f"{alert} is over: {self._told()}"
        )

    def fill_disk(self):
        """Leave no room; where the disk is a large one, the hub may write no more to any file."""
        if not self.small_disk:
            resource.prlimit(self.hub.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            return
        with (self.disk / "filler").open("ab", buffering=0) as filler:
            for step in (1024 * 1024, 4096, 1):
                with contextlib.suppress(OSError):
                    while filler.write(bytes(step)) == step:
                        pass

    def free_disk(self):
        if not self.small_disk:
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(self.hub.pid, resource.RLIMIT_FSIZE, unlimited)
            return
        (self.disk / "filler").unlink()

    def close(self):
        self._open.close()

    def _told(self):
        return self.prometheus.ask("ALERTS"), self.hub.text[-3000:]

    def _mount(self):
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(self.disk)]
        if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return False
        self._open.callback(subprocess.run, ["umount", "-l", str(self.disk)], check=True)
        return True
