"""The hub as a user runs it: a process a stage, each with its own port and log."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from connectors.standins.legacy import LegacySystems
from deploy.kafka.broker import die_with_parent

START_SECONDS = 120
_STOP_SECONDS = 60


class HubProcess:
    """One process of the hub; what it says is in its log."""

    def __init__(self, name: str, words: Iterable[str], folder: Path) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        program = str(Path(sys.executable).parent / "alliance-hub")
        environ = os.environ | {"HUB_LOG_FORMAT": "json"}
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                [program, *words, "--port", "0"],
                stdout=log,
                stderr=log,
                env=environ,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one call
            )
        self.pid = self._child.pid
        self.address = ""

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def wait_until_it_listens(self) -> None:
        """Learn from the log where `/metrics` is served."""
        deadline = time.monotonic() + START_SECONDS
        while not self.address:
            if not self.alive or time.monotonic() > deadline:
                raise AssertionError(f"{self.name} did not start:\n{self.last_words()}")
            self.address = next((e["address"] for e in self.events() if e.get("event") == "started"), "")
            time.sleep(0.05)

    def events(self) -> list[dict[str, str]]:
        """The lines of its log so far that are events."""
        lines = self._log.read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def last_words(self) -> str:
        return self._log.read_text("utf-8", "replace")[-2000:]

    def terminate(self) -> None:
        self._child.terminate()

    def wait(self) -> int:
        """Its exit code; one that does not stop when told is killed."""
        try:
            return self._child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()


class Running:
    """Every process of the hub, for as long as the block lasts."""

    def __init__(self, commands: Mapping[str, list[str]], options: list[str], folder: Path) -> None:
        self.processes = [HubProcess(name, [*words, *options], folder) for name, words in commands.items()]
        self.codes: dict[str, int] = {}

    def __enter__(self) -> Self:
        try:
            for process in self.processes:
                process.wait_until_it_listens()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Tell all to stop, and keep their exit codes."""
        if self.codes:
            return
        for process in self.processes:
            process.terminate()
        self.codes = {process.name: process.wait() for process in self.processes}

    def check(self) -> None:
        """Raise where one has ended by itself."""
        for process in self.processes:
            if not process.alive:
                raise AssertionError(f"{process.name} has ended:\n{process.last_words()}")


def commands(legacy: LegacySystems) -> dict[str, list[str]]:
    """A connector process for each force, a normaliser, a view and a server."""
    found = {f"connect {force}": ["connect", force] for force in legacy.forces}
    return found | {"normalise": ["normalise"], "view": ["view"], "serve": ["serve"]}


def write_settings(file: Path, legacy: LegacySystems) -> Path:
    """The configuration file that names where every system is."""
    lines = [
        f'[sources.{force}.{domain}]\nlocation = "{location}"\n'
        for force, domains in legacy.locations().items()
        for domain, location in domains.items()
    ]
    file.write_text("".join(lines), "utf-8")
    return file


class Reader(threading.Thread):
    """Someone who looks at the API once a second, for it too must not grow."""

    def __init__(self, address: str) -> None:
        super().__init__(name="reader", daemon=True)
        self._address = address
        self._ended = threading.Event()
        self.milliseconds = 0.0
        self.error: Exception | None = None

    def run(self) -> None:
        import httpx

        try:
            with httpx.Client(
                base_url=self._address, timeout=60, headers={"Justification": "soak"}
            ) as client:
                while not self._ended.wait(1):
                    began = time.monotonic()
                    for path in ("/incidents?limit=20", "/staff?limit=20", "/freshness"):
                        client.get(path).raise_for_status()
                    self.milliseconds = (time.monotonic() - began) * 1000
        except Exception as error:  # noqa: BLE001 raised again by stop(), in the thread that asked
            self.error = error

    def stop(self) -> None:
        self._ended.set()
        self.join()
        if self.error is not None:
            raise self.error
