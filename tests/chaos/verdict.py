"""Compares what the hub made of it all with what is true, when nothing moves any more."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from connectors.positions import Positions
from connectors.standins.truth import domain_of
from hub.dead_letters import dead_letter_topic
from hub.domains import DOMAINS
from hub.normalise.counts import read_counts
from hub.normalise.loop import GROUP
from hub.view.query import Query
from hub.view.tables import HISTORY
from tests.chaos.chores import ALLIANCE, BAD_ROWS, POISON, POISONED
from tests.chaos.world import PATIENCE_SECONDS, World, until
from tests.comparison import differences

Version = tuple[int, int]
"""Source version and mapping version, compared in that order."""


@dataclass(slots=True)
class Verdict:
    """Each list names what is not as it must be; empty lists are what is promised."""

    records_in: int = 0
    absorbed: int = 0
    stuck: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)


def judge(world: World) -> Verdict:
    """Still the sources, wait until all is said to be visible, and look at everything."""
    verdict = Verdict()
    world.still()
    verdict.stuck = _drain(world)
    events = _events(world, verdict)
    made = _made(world, verdict)
    shown = _shown(world, verdict)
    for identity, published in events.items():
        gone = published - {source for source, _ in shown.get(identity, ())}
        verdict.lost += [f"{identity} version {version} is not in the store" for version in sorted(gone)]
    for identity, versions in shown.items():
        strange = {source for source, _ in versions} - events.get(identity, set())
        verdict.wrong += [f"{identity} version {version} was never published" for version in sorted(strange)]
    _compare(world, verdict)
    _find_dead_letters(world, verdict)
    _balance(world, verdict, made)
    return verdict


def _drain(world: World) -> list[str]:
    instant = time.time_ns() // 1000
    if until(lambda: bool(world.ended()) or not world.behind(instant)):
        return world.ended()
    return [f"{feed} was not complete within {PATIENCE_SECONDS} s" for feed in world.behind(instant)]


def _events(world: World, verdict: Verdict) -> dict[str, set[int]]:
    """The versions of each record on the forces' topics."""
    versions: dict[str, list[Version]] = defaultdict(list)
    for feed in world.feeds:
        decode = world.codec.decoder(feed.topic)
        for received in world.bus.read_all(feed.topic):
            if not (received.key or b"").startswith(POISON):
                event = decode(received.value)
                versions[event["record_id"]].append((event["source_version"], 0))
    _see_order("was published", versions, verdict)
    verdict.records_in = sum(map(len, versions.values()))
    return {identity: {source for source, _ in each} for identity, each in versions.items()}


def _made(world: World, verdict: Verdict) -> Counter[str]:
    """The number of records on each alliance topic."""
    versions: dict[str, list[Version]] = defaultdict(list)
    made: Counter[str] = Counter()
    for domain in DOMAINS.values():
        decode = world.codec.decoder(domain.topic)
        for received in world.bus.read_all(domain.topic):
            made[domain.name] += 1
            if not (received.key or b"").startswith(POISON):
                record = decode(received.value)
                versions[record["id"]].append((record["source_version"], record["mapping_version"]))
    _see_order("was normalised", versions, verdict)
    return made


def _shown(world: World, verdict: Verdict) -> dict[str, set[Version]]:
    """The versions of each record in the store's history, which must have come in rising order."""
    versions: dict[str, list[Version]] = defaultdict(list)
    for history in HISTORY.values():
        columns = history.c
        every = select(columns.id, columns.source_version, columns.mapping_version, columns.change_number)
        with world.store.reading() as connection:
            rows = connection.execute(every.order_by(columns.change_number)).fetchall()
        for identity, source, mapping, number in rows:
            versions[identity].append((source, mapping))
            if number is None:
                verdict.out_of_order.append(f"{identity} version {source} came after a newer one")
    _see_order("became visible", versions, verdict)
    return {identity: set(each) for identity, each in versions.items()}


def _see_order(what: str, versions: dict[str, list[Version]], verdict: Verdict) -> None:
    for identity, each in versions.items():
        newest = (0, 0)
        for version in each:
            if version < newest:
                verdict.out_of_order.append(f"{identity} version {version[0]} {what} after {newest[0]}")
            elif version == newest:
                verdict.absorbed += 1
            newest = max(newest, version)


def _compare(world: World, verdict: Verdict) -> None:
    """The view against the truth, field by field."""
    query = Query(world.store, world.codec)
    truth = world.legacy.truth()
    for identity, record in truth.items():
        seen = query.get(domain_of(record), identity)
        if seen is not None:
            verdict.wrong += [f"{identity} {each}" for each in differences(record, seen.record)]
        elif not record.deleted:
            verdict.lost.append(f"{identity} is not in the view")
    live = Counter((domain_of(record), record.force) for record in truth.values() if not record.deleted)
    counts = query.counts()
    for (domain, force), n in live.items():
        visible = counts[domain][force]["visible"]
        if visible != n:
            verdict.wrong.append(f"{visible} records of {domain} of {force} are visible, {n} are true")


def _find_dead_letters(world: World, verdict: Verdict) -> None:
    """Every bad record was set aside, under a key of its own."""
    for topic, stage in ((POISONED, "normalise"), (ALLIANCE, "view")):
        kept = {received.key for received in world.bus.read_all(dead_letter_topic(topic))}
        for received in _poison(world, topic):
            if f"{stage}:{received.partition}:{received.offset}".encode() not in kept:
                verdict.lost.append(f"the dead letter of {topic}-{received.partition}, {received.offset}")
    rows = dead_letter_topic(f"{BAD_ROWS}.incident.v1")
    kept_rows = len({received.key for received in world.bus.read_all(rows)})
    if kept_rows != world.bad_rows:
        verdict.lost.append(f"{kept_rows} of {world.bad_rows} bad rows are dead letters")


def _poison(world: World, topic: str) -> Iterator[Any]:
    return (r for r in world.bus.read_all(topic) if (r.key or b"").startswith(POISON))


def _balance(world: World, verdict: Verdict, made: Counter[str]) -> None:
    """Every row read ends in exactly one place (invariant 5)."""
    tally = _Sums(verdict.unbalanced)
    counts = Query(world.store, world.codec).counts()
    normalised: Counter[str] = Counter()
    for feed in world.feeds:
        read = Counter(Positions(feed, world.bus, world.codec).counts)
        poisoned = sum(1 for _ in _poison(world, feed.topic))
        events = sum(1 for _ in world.bus.read_all(feed.topic))
        kept = world.bus.group_offsets(GROUP, [feed.topic]).values()
        passed = [read_counts(offset) for offset in kept]
        ends = ("published", "unchanged", "other_force", "dead_lettered")
        tally.see(f"{feed}: rows read", read["read"] + read["derived"], sum(read[name] for name in ends))
        tally.see(f"{feed}: events published", read["published"], events - poisoned)
        tally.see(f"{feed}: events passed", sum(p.normalised + p.dead_lettered for p in passed), events)
        normalised[feed.domain] += sum(p.normalised for p in passed)
    for domain, forces in counts.items():
        topic = DOMAINS[domain].topic
        poisoned = sum(1 for _ in _poison(world, topic))
        taken = sum(n["applied"] + n["superseded"] + n["dead_lettered"] for n in forces.values())
        tally.see(f"{topic}: records normalised", normalised[domain], made[domain] - poisoned)
        tally.see(f"{topic}: records taken in", taken, made[domain])


@dataclass(slots=True)
class _Sums:
    problems: list[str]

    def see(self, what: str, counted: int, so: int) -> None:
        if counted != so:
            self.problems.append(f"{what}: {counted} counted, {so} are so")
