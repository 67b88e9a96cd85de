"""The normaliser as a process: exactly once, without its guarantees, and the least that it can take.

Each goes over one backlog in turn, and again, so that what else the machine does falls on all of them.
"""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from connectors.positions import Positions
from hub.bus.contract import Offset, TopicSpec
from hub.cli.parts import Parts
from hub.config import load_settings
from hub.normalise.loop import GROUP
from tests.bench import bare_loop, places
from tests.bench.content import FORCE, fill
from tests.bench.figures import Figure
from tests.bench.processes import cpu_seconds, hub, megabytes, module, program, started, wait_until

EXPECTED_RATE = 14_000
ROUNDS = 2
PASSED_ON = "bench.passed_on"


@dataclass
class Contender:
    """A process that goes through the backlog, and what it took so far."""

    name: str
    group: str
    words: list[str]
    records: int = 0
    seconds: float = 0.0
    spent: Counter[str] = field(default_factory=Counter)
    megabytes: float = 0.0

    @property
    def figure(self) -> Figure:
        micros = {who: each / self.records * 1e6 for who, each in self.spent.items()}
        return Figure(self.name, self.records, self.seconds, micros, megabytes={"process": self.megabytes})


def measure(folder: Path, seconds: float) -> Iterator[Figure]:
    """On both buses; each figure over `seconds` at the expected rate, in two rounds."""
    count = int(seconds * EXPECTED_RATE / ROUNDS)
    location = fill(folder / "legacy.db", count)
    for made in (contextlib.nullcontext(places.embedded(folder)), places.kafka(folder)):
        with made as place, _backlog(folder, place, location, count) as (parts, options):
            contenders = _contenders(parts, place, options)
            for _ in range(ROUNDS):
                for each in contenders:
                    _run(each, parts, folder, place, count)
            figures = [each.figure for each in contenders]
            yield from figures
            yield _cost(*figures[:2])


def _contenders(parts: Parts, place: places.Place, options: list[str]) -> list[Contender]:
    """The normaliser, the same without its guarantees, and on Kafka the bare library."""
    normalise, bus = ["normalise", *options], place.bus.partition("://")[0]
    without = "without transactions" if place.servers else "not waiting for the disk"
    found = [
        Contender(f"normaliser process, {bus}", GROUP, [program(), *normalise]),
        Contender(f"the same {without}", GROUP, module("unguarded", *normalise)),
    ]
    if place.servers:
        topic = parts.forces[FORCE].feeds["incident"].topic
        parts.bus.create_topics([TopicSpec(PASSED_ON, parts.bus.partitions(topic), "delete")])
        words = module("bare_loop", place.bus.partition("://")[2], topic, PASSED_ON)
        found.append(Contender("kafka-python alone, same headers", bare_loop.GROUP, words))
    return found


@contextlib.contextmanager
def _backlog(
    folder: Path, place: places.Place, location: str, count: int
) -> Iterator[tuple[Parts, list[str]]]:
    """Have the connector publish all; gives parts to look with, and the options of every command."""
    config = folder / "hub.toml"
    config.write_text(f'[sources.{FORCE}.incident]\nlocation = "{location}"\n')
    options = ["--config", str(config), "--state", str(folder), *place.options]
    parts = Parts(load_settings(config, state=folder, bus=place.bus, store=place.store, environ={}))
    try:
        parts.topics(create=True)
        with hub(folder, {"connector": ["connect", FORCE, "incident"]}, options) as running:
            wait_until(lambda: _published(parts) == count, running, every=0.5)
        yield parts, options
    finally:
        parts.close()


def _run(contender: Contender, parts: Parts, folder: Path, place: places.Place, count: int) -> None:
    """Go through the backlog from its beginning, measured once the first records are through."""
    _reset(parts, contender.group)
    with started(folder, {"process": contender.words}) as running:
        wait_until(lambda: _done(parts, contender.group) > 0, running)
        first, began = _done(parts, contender.group), time.monotonic()
        processes = running | {name: pid for name, pid in place.servers.items() if name == "broker"}
        before = {name: cpu_seconds(pid) for name, pid in processes.items()}
        wait_until(lambda: _done(parts, contender.group) == count, running)
        contender.seconds += time.monotonic() - began
        contender.records += count - first
        contender.spent.update({name: cpu_seconds(pid) - before[name] for name, pid in processes.items()})
        contender.megabytes = max(contender.megabytes, megabytes(running["process"]))


def _cost(guarded: Figure, unguarded: Figure) -> Figure:
    """What the guarantees take of the throughput, and add to the CPU time of the process."""
    percents = {
        "throughput": 100 * (1 - guarded.rate / unguarded.rate),
        "the CPU time": 100 * (guarded.micros["process"] / unguarded.micros["process"] - 1),
    }
    name = f"cost of the guarantees, {guarded.name.rpartition(' ')[2]}"
    return Figure(name, guarded.records, guarded.seconds, percents=percents)


def _reset(parts: Parts, group: str) -> None:
    topic = parts.forces[FORCE].feeds["incident"].topic
    kept = parts.bus.group_offsets(group, [topic])
    parts.bus.reset_group(group, dict.fromkeys(kept, Offset(0)))


def _published(parts: Parts) -> int:
    feed = parts.forces[FORCE].feeds["incident"]
    return Positions(feed, parts.bus, parts.codec).counts["published"]


def _done(parts: Parts, group: str) -> int:
    """As kept with the group's offsets, in the transactions of the records."""
    kept = parts.bus.group_offsets(group, [parts.forces[FORCE].feeds["incident"].topic])
    return sum(
        json.loads(offset.metadata).get("normalised", 0) for offset in kept.values() if offset.metadata
    )
