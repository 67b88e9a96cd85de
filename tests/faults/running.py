"""A process of the hub as it runs for real, and what it says of itself."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.waiting import wait_until

PROGRAM = str(Path(sys.executable).with_name("alliance-hub"))


class Running:
    """`alliance-hub WORDS`, with its log in `log`; waited for until it serves."""

    def __init__(self, config, log, *words, environ=None, prefix=()):
        self.log = log
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                [*prefix, PROGRAM, *words, "--config", str(config), "--port", "0"],
                stdout=subprocess.DEVNULL,
                stderr=sink,
                env={**os.environ, **(environ or {})},
            )
        wait_until(lambda: self._started() is not None, lambda: f"{words} started: {self.text}")
        self.address = self._started()["address"]

    @property
    def text(self):
        return self.log.read_text()

    @property
    def pid(self):
        return self.process.pid

    def get(self, path):
        return httpx.get(self.address + path, timeout=60)

    def readiness(self):
        return self.get("/readyz").json()

    def live(self):
        return self.get("/livez").status_code == 200

    def stale(self):
        """The feeds that the hub itself calls stale."""
        return {f"{f['force']}/{f['domain']}" for f in self.get("/freshness").json()["feeds"] if f["stale"]}

    def metric(self, name, **labels):
        """The sum of a metric's samples that carry these labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def wait_until_told(self, *stages):
        """Wait until the process says that these of its stages, or any, do not move."""

        def told():
            silent = self.readiness()["silent"]
            return set(stages) <= set(silent) and silent

        wait_until(told, lambda: f"{stages or 'a stage'} is told as silent: {self.readiness()} {self.text}")
        assert not self.readiness()["ready"]

    def wait_until_ready(self):
        wait_until(
            lambda: self.readiness()["ready"], lambda: f"it is ready: {self.readiness()} {self.text[-3000:]}"
        )

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self):
        return self.process.wait(120)

    def stop(self):
        """End it in order; its exit code."""
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        return self.wait()

    def end(self):
        """End it whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _started(self):
        assert self.process.poll() is None, self.text
        lines = (json.loads(line) for line in self.text.splitlines() if line.startswith("{"))
        return next((line for line in lines if line["event"] == "started"), None)
