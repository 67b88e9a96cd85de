"""A real Kafka Connect, standalone, with one file connector: what its REST API answers is the pattern."""

import contextlib
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from deploy.kafka.broker import die_with_parent, free_port, java
from tests.jars import jars

PROJECT = Path(__file__).parent / "connect"
JVM = ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"]
START_SECONDS = 180


class Connect:
    """Runs in `folder` against the broker at `broker`; its connector `name` reads one file to `topic`."""

    def __init__(self, folder, broker, name, topic):
        self.folder, self.name = folder, name
        self.address = f"http://127.0.0.1:{free_port()}"
        (folder / "lines.txt").write_text("one\ntwo\n")
        self._write(
            "worker",
            {
                "bootstrap.servers": broker,
                "listeners": self.address,
                "key.converter": "org.apache.kafka.connect.storage.StringConverter",
                "value.converter": "org.apache.kafka.connect.storage.StringConverter",
                "offset.storage.file.filename": folder / "offsets",
                "offset.flush.interval.ms": 500,
                "plugin.discovery": "only_scan",
            },
        )
        self._write(
            "connector",
            {
                "name": name,
                "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
                "tasks.max": 1,
                "file": folder / "lines.txt",
                "topic": topic,
            },
        )
        self._java = None

    def _write(self, name, settings):
        lines = "".join(f"{key}={value}\n" for key, value in settings.items())
        (self.folder / f"{name}.properties").write_text(lines)

    def __enter__(self):
        with (self.folder / "connect.log").open("wb") as log:
            self._java = subprocess.Popen(
                [
                    *(
                        java(),
                        *JVM,
                        "-cp",
                        jars(PROJECT, "Kafka Connect"),
                        "org.apache.kafka.connect.cli.ConnectStandalone",
                    ),
                    *(str(self.folder / f"{name}.properties") for name in ("worker", "connector")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,  # noqa: PLW1509 one call
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._runs():
            if self._java.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                pytest.fail(f"Connect did not start: {(self.folder / 'connect.log').read_text()[-3000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *error):
        if self._java is not None:
            self._java.kill()
            self._java.wait()

    def _runs(self):
        with contextlib.suppress(httpx.HTTPError):
            status = self.ask("GET", f"/connectors/{self.name}/status")
            return status.status_code == 200 and [t["state"] for t in status.json()["tasks"]] == ["RUNNING"]
        return False

    def ask(self, method, path, **more):
        return httpx.request(method, self.address + path, timeout=60, **more)
