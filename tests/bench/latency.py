"""From the change in the legacy system to the view, at 50 events a second, with default poll intervals."""

import datetime as dt
import itertools
import statistics
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from connectors.standins.sql_incidents import SqlIncidents
from connectors.standins.truth import TruthIncident
from connectors.standins.vocabulary import LEICESTERSHIRE
from hub.events import record_id
from hub.view.query import Query
from tests.bench import places
from tests.bench.content import FORCE, fill, incidents
from tests.bench.figures import Figure
from tests.bench.processes import wait_until
from tests.bench.way import started, visible

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
    """Write some first, so that every stage has started and is at rest when the measured ones come."""
    made = incidents(WARM_UP + int(seconds * RATE))
    with started(folder, place, fill(folder / "legacy.db", 0)) as (parts, running):
        _write(folder / "legacy.db", itertools.islice(made, WARM_UP))
        wait_until(lambda: visible(parts.store) == WARM_UP, running)
        began = time.monotonic()
        with ThreadPoolExecutor(1) as writer:
            written = writer.submit(_write, folder / "legacy.db", made)
            seen = _watch(Query(parts.store, parts.codec), int(seconds * RATE))
            waits = sorted((seen[key] - at) * 1000 for key, at in written.result().items())
        elapsed = time.monotonic() - began
    parts_of = statistics.quantiles(waits, n=100)
    spread = {"p50": parts_of[49], "p90": parts_of[89], "p99": parts_of[98], "max": waits[-1]}
    return Figure(f"latency at {RATE}/s, {place.name}", len(waits), elapsed, milliseconds=spread)


def _write(file: Path, truths: Iterable[TruthIncident]) -> dict[str, float]:
    """Commit an incident each 20 ms, and say when; what is late is not caught up in a burst."""
    written: dict[str, float] = {}
    system = SqlIncidents(f"sqlite:///{file}", LEICESTERSHIRE)
    for truth in truths:
        due = time.monotonic() + 1 / RATE
        system.create([truth], [dt.datetime.now(dt.UTC)])
        written[record_id("incident", FORCE, "command", system.key(truth))] = time.monotonic()
        time.sleep(max(0.0, due - time.monotonic()))
    system.close()
    return written


def _watch(query: Query, count: int) -> dict[str, float]:
    """When each record was first seen in the view, asked every few milliseconds."""
    seen: dict[str, float] = {}
    after = WARM_UP
    while len(seen) < count:
        for change in query.changes_after(after, 1000):
            after = change.number
            seen.setdefault(change.record["id"], time.monotonic())
        time.sleep(0.004)
    return seen
