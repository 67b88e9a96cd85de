"""The whole way, from the rows in a legacy system to the records in the view, a process a stage."""

import contextlib
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
from tests.bench.processes import cpu_seconds, hub, megabytes, wait_until

EXPECTED_RATE = 11_000
WARM_UP = 500
STAGES = {"connector": ["connect", FORCE, "incident"], "normaliser": ["normalise"], "view": ["view"]}


def measure(folder: Path, seconds: float) -> Iterator[Figure]:
    """A backlog that lasts `seconds` at the expected rate, on both buses."""
    count = WARM_UP + int(seconds * EXPECTED_RATE)
    fill(folder / "backlog.db", count)
    yield _way(folder / "embedded", places.embedded(_made(folder / "embedded")), folder / "backlog.db", count)
    with places.kafka(_made(folder / "kafka")) as place:
        yield _way(folder / "kafka", place, folder / "backlog.db", count)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _way(folder: Path, place: places.Place, backlog: Path, count: int) -> Figure:
    """Wait until every stage has started and passed some records on; then give it the backlog at once."""
    legacy = folder / "legacy.db"
    with started(folder, place, fill(legacy, WARM_UP)) as (parts, running):
        wait_until(lambda: visible(parts.store) == WARM_UP, running)
        processes = running | place.servers
        before = {name: cpu_seconds(pid) for name, pid in processes.items()}
        began, most = time.monotonic(), dict.fromkeys(running, 0.0)
        legacy.with_suffix(".new").hardlink_to(backlog)
        legacy.with_suffix(".new").replace(legacy)

        def done() -> bool:
            for name, pid in running.items():
                most[name] = max(megabytes(pid), most[name])
            return visible(parts.store) == count

        wait_until(done, running, every=0.1)
        elapsed = time.monotonic() - began
        spent = {name: cpu_seconds(pid) - before[name] for name, pid in processes.items()}
    made = count - WARM_UP
    micros = {name: each / made * 1e6 for name, each in spent.items()}
    return Figure(f"whole way, {place.name}", made, elapsed, micros, megabytes=most)


@contextlib.contextmanager
def started(folder: Path, place: places.Place, location: str) -> Iterator[tuple[Parts, dict[str, int]]]:
    """A process a stage, on a source at this location; gives their ids and parts of our own to look with."""
    config = folder / "hub.toml"
    config.write_text(f'[sources.{FORCE}.incident]\nlocation = "{location}"\n')
    parts = Parts(load_settings(config, state=folder, bus=place.bus, store=place.store, environ={}))
    try:
        parts.topics(create=True)
        with hub(
            folder, STAGES, ["--config", str(config), "--state", str(folder), *place.options]
        ) as running:
            yield parts, running
    finally:
        parts.close()


def visible(store: Store) -> int:
    """What has been applied; each record of the backlog has one version."""
    applied = select(func.sum(COUNTS.c.n)).where(COUNTS.c.domain == "incident", COUNTS.c.name == "applied")
    with store.reading() as connection:
        return int(connection.execute(applied).scalar() or 0)
