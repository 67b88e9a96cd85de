"""The whole way, from the rows in a legacy system to the records in the view, a process a stage."""

import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import func, select

from hub.cli.parts import Parts
from hub.config import load_settings
from hub.view.store import Store
from hub.view.tables import COUNTS
from tests.bench import places
from tests.bench.content import FORCE, fill
from tests.bench.figures import Figure
from tests.bench.processes import cpu_seconds, hub, megabytes

EXPECTED_RATE = 8000
STAGES = {"connector": ["connect", FORCE, "incident"], "normaliser": ["normalise"], "view": ["view"]}


def measure(folder: Path, seconds: float) -> Iterator[Figure]:
    """A backlog that lasts `seconds` at the expected rate, on both buses."""
    count = int(seconds * EXPECTED_RATE)
    location = fill(folder / "legacy.db", count)
    yield _way(folder / "embedded", places.embedded(_made(folder / "embedded")), location, count)
    with places.kafka(_made(folder / "kafka")) as place:
        yield _way(folder / "kafka", place, location, count)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _way(folder: Path, place: places.Place, location: str, count: int) -> Figure:
    config = folder / "hub.toml"
    config.write_text(f'[sources.{FORCE}.incident]\nlocation = "{location}"\n')
    parts = Parts(load_settings(config, state=folder, bus=place.bus, store=place.store, environ={}))
    parts.topics(create=True)
    options = ["--config", str(config), "--state", str(folder), *place.options]
    with hub(folder, STAGES, options) as running:
        processes = running | place.servers
        first = _wait(parts.store, 1)
        before = {name: cpu_seconds(pid) for name, pid in processes.items()}
        began, most = time.monotonic(), dict.fromkeys(running, 0.0)
        while (visible := _visible(parts.store)) < count:
            most = {name: max(megabytes(pid), most[name]) for name, pid in running.items()}
            time.sleep(0.1)
        elapsed = time.monotonic() - began
        spent = {name: cpu_seconds(pid) - before[name] for name, pid in processes.items()}
    parts.close()
    made = visible - first
    micros = {name: each / made * 1e6 for name, each in spent.items()}
    return Figure(f"whole way, {place.name}", made, elapsed, micros, megabytes=most)


def _wait(store: Store, least: int) -> int:
    while (visible := _visible(store)) < least:
        time.sleep(0.02)
    return visible


def _visible(store: Store) -> int:
    """What has been applied; each record of the backlog has one version."""
    applied = select(func.sum(COUNTS.c.n)).where(COUNTS.c.domain == "incident", COUNTS.c.name == "applied")
    with store.reading() as connection:
        return int(connection.execute(applied).scalar() or 0)
