"""The normaliser as a process on Kafka, exactly once, headers included."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from connectors.positions import Positions
from hub.cli.parts import Parts
from hub.config import load_settings
from hub.normalise.loop import GROUP
from tests.bench import places
from tests.bench.content import FORCE, fill
from tests.bench.figures import Figure
from tests.bench.processes import cpu_seconds, hub, megabytes, wait_until

EXPECTED_RATE = 14_000


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
        with hub(folder, {"connector": ["connect", FORCE, "incident"]}, options) as running:
            wait_until(lambda: _published(parts) == count, running, every=0.5)
        with hub(folder, {"normaliser": ["normalise"]}, options) as running:
            wait_until(lambda: _normalised(parts) > 0, running)
            first, began = _normalised(parts), time.monotonic()
            processes = running | {"broker": place.servers["broker"]}
            before = {name: cpu_seconds(each) for name, each in processes.items()}
            wait_until(lambda: _normalised(parts) == count, running)
            elapsed = time.monotonic() - began
            spent = {name: cpu_seconds(each) - before[name] for name, each in processes.items()}
            memory = {"normaliser": megabytes(running["normaliser"])}
        parts.close()
    made = count - first
    micros = {name: each / made * 1e6 for name, each in spent.items()}
    yield Figure("normaliser process, Kafka", made, elapsed, micros, megabytes=memory)


def _published(parts: Parts) -> int:
    feed = parts.forces[FORCE].feeds["incident"]
    return Positions(feed, parts.bus, parts.codec).counts["published"]


def _normalised(parts: Parts) -> int:
    """As kept with the normaliser's offsets, in the transactions of the records."""
    kept = parts.bus.group_offsets(GROUP, [parts.forces[FORCE].feeds["incident"].topic])
    return sum(
        json.loads(offset.metadata).get("normalised", 0) for offset in kept.values() if offset.metadata
    )
