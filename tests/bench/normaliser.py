"""The normaliser as a process on Kafka, exactly once, headers included."""

import time
from collections.abc import Iterator
from pathlib import Path

from hub.bus.contract import Bus
from hub.cli.parts import Parts
from hub.config import load_settings
from tests.bench import places
from tests.bench.content import FORCE, fill
from tests.bench.figures import Figure
from tests.bench.processes import cpu_seconds, hub, megabytes

EXPECTED_RATE = 14_000
SOURCE, TARGET = f"{FORCE}.incident.v1", "alliance.incident.v1"


def measure(folder: Path, seconds: float) -> Iterator[Figure]:
    """A backlog on the force's topic, published by its connector, that lasts `seconds`."""
    count = int(seconds * EXPECTED_RATE)
    location = fill(folder / "legacy.db", count)
    config = folder / "hub.toml"
    config.write_text(f'[sources.{FORCE}.incident]\nlocation = "{location}"\n')
    with places.kafka(folder) as place:
        options = ["--config", str(config), "--state", str(folder), *place.options]
        parts = Parts(load_settings(config, state=folder, bus=place.bus, store=place.store, environ={}))
        parts.topics(create=True)
        with hub(folder, {"connector": ["connect", FORCE, "incident"]}, options):
            _wait(parts.bus, SOURCE, count)
        with hub(folder, {"normaliser": ["normalise"]}, options) as running:
            pid = running["normaliser"]
            first = _wait(parts.bus, TARGET, 1)
            processes = {"normaliser": pid, "broker": place.servers["broker"]}
            before = {name: cpu_seconds(each) for name, each in processes.items()}
            began = time.monotonic()
            _wait(parts.bus, TARGET, count)
            elapsed = time.monotonic() - began
            spent = {name: cpu_seconds(each) - before[name] for name, each in processes.items()}
            memory = {"normaliser": megabytes(pid)}
        made = sum(1 for _ in parts.bus.read_all(TARGET)) - first
        parts.close()
    micros = {name: each / made * 1e6 for name, each in spent.items()}
    yield Figure("normaliser process, Kafka", made, elapsed, micros, megabytes=memory)


def _wait(bus: Bus, topic: str, least: int) -> int:
    """Wait for so many offsets (records, and a marker for each transaction)."""
    while (ends := sum(bus.end_offsets([topic]).values())) < least:
        time.sleep(0.05)
    return ends
