"""One record's steps, in this process: encode, map, and the whole step of the normaliser."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hub.bus import open_bus
from hub.bus.contract import Received
from hub.cli.parts import Parts
from hub.cli.process import collect_seldom
from hub.config import SourceSettings, load_settings
from hub.normalise.mapping import compile_mapping
from hub.normalise.step import Step
from tests.bench.content import FORCE, fill
from tests.bench.figures import Figure

_RECORDS = 20_000
"""More than what is kept of places and times, so that going through them again finds nothing."""

_BATCH = 1000


def measure(folder: Path, seconds: float) -> Iterator[Figure]:
    """CPU time a record over `seconds` each, on the events that the connector made."""
    parts = _published(folder)
    feed = parts.forces[FORCE].feeds["incident"]
    events = list(parts.bus.read_all(feed.topic))
    mapper = compile_mapping(feed)
    step = Step(mapper, parts.codec)

    def mapped(batch: list[tuple[dict[str, Any], str, int, int]]) -> None:
        mapper.ahead([envelope for envelope, *_ in batch])
        for each in batch:
            mapper.make(*each)

    def one_after_the_other(events: list[Received]) -> None:
        mapped = [(decode(event.value), event.topic, event.partition, event.offset) for event in events]
        mapper.ahead([envelope for envelope, *_ in mapped])
        for each in mapped:
            encode(mapper.make(*each))

    def whole(events: list[Received]) -> None:
        """As the normaliser does with what it polled."""
        envelopes = [step.read(event) for event in events]
        step.ahead([envelope for envelope in envelopes if envelope])
        for event, envelope in zip(events, envelopes, strict=True):
            step.make(event, envelope)

    encode = parts.codec.encoder("alliance.incident.v1")
    decode = parts.codec.decoder(feed.topic)
    envelopes = [(decode(e.value), e.topic, e.partition, e.offset) for e in events]
    collect_seldom()
    records = [mapper.make(*each) for each in envelopes]
    yield _timed("decode a force's event", decode, [(e.value,) for e in events], seconds)
    yield _timed("map", mapped, _batches(envelopes), seconds, each=_BATCH)
    yield _timed("encode an alliance record", encode, [(record,) for record in records], seconds)
    name = "decode, map, validate, encode"
    yield _timed(name, one_after_the_other, _batches(events), seconds, each=_BATCH)
    yield _timed("whole normalise step with headers", whole, _batches(events), seconds, each=_BATCH)
    parts.close()


def _published(folder: Path) -> Parts:
    """Have a connector publish the incidents on an embedded bus."""
    location = fill(folder / "legacy.db", _RECORDS)
    sources = {FORCE: {"incident": SourceSettings(location=location, secret_file=None)}}
    parts = Parts(load_settings(state=folder, environ={}).model_copy(update={"sources": sources}))
    parts.topics(create=True)
    stop = threading.Event()
    kept = parts.connector(parts.feeds(FORCE, "incident")[0], tell=lambda _state, _error: None)
    connector = threading.Thread(target=kept.run, args=(stop,))
    connector.start()
    bus = open_bus(parts.settings.bus_url)
    while sum(1 for _ in bus.read_all("leicestershire.incident.v1")) < _RECORDS:
        time.sleep(0.1)
    stop.set()
    connector.join()
    return parts


def _batches(all_of_them: list[Any]) -> list[tuple[list[Any]]]:
    return [(all_of_them[at : at + _BATCH],) for at in range(0, len(all_of_them), _BATCH)]


def _timed(
    name: str, work: Callable[..., Any], arguments: list[tuple[Any, ...]], seconds: float, *, each: int = 1
) -> Figure:
    """Call `work` again and again, each time for so many records."""
    for given in arguments:
        work(*given)
    count, began, cpu = 0, time.monotonic(), time.process_time()
    while time.monotonic() - began < seconds:
        for given in arguments:
            work(*given)
        count += len(arguments) * each
    spent = time.process_time() - cpu
    return Figure(name, count, time.monotonic() - began, {"CPU": spent / count * 1e6})
