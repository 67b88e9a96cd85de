"""From the change in the legacy system to the view, at 50 events a second, with default poll intervals."""

import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from connectors.standins.sql_incidents import SqlIncidents
from connectors.standins.vocabulary import LEICESTERSHIRE
from hub.cli.parts import Parts
from hub.config import load_settings
from hub.events import record_id
from hub.view.query import Query
from tests.bench import places
from tests.bench.content import FORCE, fill, incidents
from tests.bench.figures import Figure
from tests.bench.processes import hub
from tests.bench.way import STAGES

RATE = 50
WARM_UP = 100


def measure(folder: Path, seconds: float) -> Iterator[Figure]:
    """On both buses."""
    for name in ("embedded", "kafka"):
        (folder / name).mkdir()
    yield _latency(folder / "embedded", places.embedded(folder / "embedded"), seconds)
    with places.kafka(folder / "kafka") as place:
        yield _latency(folder / "kafka", place, seconds)


def _latency(folder: Path, place: places.Place, seconds: float) -> Figure:
    location = fill(folder / "legacy.db", 0)
    config = folder / "hub.toml"
    config.write_text(f'[sources.{FORCE}.incident]\nlocation = "{location}"\n')
    parts = Parts(load_settings(config, state=folder, bus=place.bus, store=place.store, environ={}))
    parts.topics(create=True)
    written: dict[str, float] = {}
    began = time.monotonic()
    with hub(folder, STAGES, ["--config", str(config), "--state", str(folder), *place.options]):
        count = int(seconds * RATE) + WARM_UP
        writer = threading.Thread(target=_write, args=(folder / "legacy.db", count, written))
        writer.start()
        seen = _watch(Query(parts.store, parts.codec), count)
        writer.join()
    parts.close()
    waits = sorted((seen[key] - written[key]) * 1000 for key in list(written)[WARM_UP:])
    parts_of = statistics.quantiles(waits, n=100)
    spread = {"p50": parts_of[49], "p90": parts_of[89], "p99": parts_of[98], "max": waits[-1]}
    return Figure(
        f"latency at {RATE}/s, {place.name}", len(waits), time.monotonic() - began, milliseconds=spread
    )


def _write(file: Path, count: int, written: dict[str, float]) -> None:
    """Commit an incident each 20 ms; what is late is not caught up in a burst."""
    system = SqlIncidents(f"sqlite:///{file}", LEICESTERSHIRE)
    for truth in incidents(count):
        due = time.monotonic() + 1 / RATE
        system.create([truth], [truth.created])
        written[record_id("incident", FORCE, "command", system.key(truth))] = time.monotonic()
        time.sleep(max(0.0, due - time.monotonic()))
    system.close()


def _watch(query: Query, count: int) -> dict[str, float]:
    """When each record was first seen in the view, asked every few milliseconds."""
    seen: dict[str, float] = {}
    after = 0
    while len(seen) < count:
        for change in query.changes_after(after, 1000):
            after = change.number
            seen.setdefault(change.record["id"], time.monotonic())
        time.sleep(0.004)
    return seen
