"""What operators ask of connectors: wishes in `<force>.control.v1`, kept until they are withdrawn.

    CLI, HTTP  ─▶  `Control.ask`  ─▶  <force>.control.v1  ─▶  the connector's loop, `Wishes`

The topic is compacted, so that a wish outlives every restart, of the connector and of the hub:
a paused connector is paused until somebody resumes it.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

from hub.bus.contract import Bus
from hub.errors import FencedError
from hub.forces import Feed
from hub.schema.codec import Codec

STATE = "state"
"""`{"state": "RUNNING" | "PAUSED" | "STOPPED", "restarts": n}`."""

BACKFILL = "backfill"
"""Begins the names of wishes for a backfill; `/` and its id follow: who ends one withdraws no other."""

REPLAY = "replay/"
"""Begins the names of wishes that take a dead letter in again; its id follows."""

_TRIES = 20


class ConnectorState(StrEnum):
    """What a connector does, in Kafka Connect's words, better ones first.

    PAUSED keeps source and producer open; STOPPED lets go of both, so that its position may be
    reset; FAILED stopped for a person, or tries again after a pause. Operators ask for the
    others.
    """

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked, by whom and why; `at` is in microseconds UTC."""

    name: str
    value: Any
    by: str
    reason: str
    at: int


class Control:
    """Writes and reads wishes. Safe to use from many processes: the newest of a name holds."""

    def __init__(self, bus: Bus, codec: Codec, *, clock: Callable[[], float] = time.time) -> None:
        self._bus = bus
        self._codec = codec
        self._clock = clock

    def ask(self, feed: Feed, name: str, value: Any, *, by: str, reason: str = "") -> Wish:
        """Return once the wish is durable; it takes the place of one of the same name."""
        return self.ask_all(feed, {name: value}, by=by, reason=reason)[0]

    def ask_all(self, feed: Feed, values: Mapping[str, Any], *, by: str, reason: str = "") -> list[Wish]:
        """Ask several at once: all of them are taken, or none."""
        at = int(self._clock() * 1_000_000)
        wishes = [Wish(name, value, by, reason, at) for name, value in values.items()]
        encode = self._codec.encoder(feed.control_topic)
        self._write(feed, {wish.name: encode(_record(feed, wish)) for wish in wishes})
        return wishes

    def withdraw(self, feed: Feed, *names: str) -> None:
        self._write(feed, dict.fromkeys(names))

    def read(self, feed: Feed) -> dict[str, Wish]:
        """The wishes that stand, by name, in the order in which they were asked."""
        decode = self._codec.decoder(feed.control_topic)
        return {name: wish_of(decode(value)) for name, value in self._standing(feed)}

    def _standing(self, feed: Feed) -> Iterator[tuple[str, bytes]]:
        prefix = wish_key(feed, "")
        newest: dict[str, bytes] = {}
        for received in self._bus.read_all(feed.control_topic):
            if received.key is None or not received.key.startswith(prefix):
                continue
            name = received.key[len(prefix) :].decode()
            newest.pop(name, None)
            if received.value is not None:
                newest[name] = received.value
        return iter(newest.items())

    def _write(self, feed: Feed, values: Mapping[str, bytes | None]) -> None:
        """Write them in one transaction, again where another writer came between."""
        again = Retrying(
            retry=retry_if_exception_type(FencedError),
            wait=wait_random(0, 0.2),
            stop=stop_after_attempt(_TRIES),
            reraise=True,
        )
        again(self._write_once, feed, values)

    def _write_once(self, feed: Feed, values: Mapping[str, bytes | None]) -> None:
        producer = self._bus.producer(f"{feed.force}.{feed.domain}.control")
        try:
            producer.begin()
            for name, value in values.items():
                producer.send(feed.control_topic, wish_key(feed, name), value)
            producer.commit()
        finally:
            producer.close()


class Wishes:
    """The wishes for one feed, as its connector looks at them again and again."""

    def __init__(self, bus: Bus, codec: Codec, feed: Feed) -> None:
        self._bus = bus
        self._feed = feed
        self._control = Control(bus, codec)
        self._end: Any = None
        self.standing: dict[str, Wish] = {}

    def look(self) -> dict[str, Wish]:
        """What stands now; the topic is read again only where something was added to it."""
        end = self._bus.end_offsets([self._feed.control_topic])
        if end != self._end:
            self.standing = self._control.read(self._feed)
            self._end = end
        return self.standing


def backfills(wishes: Mapping[str, Wish]) -> list[Wish]:
    """The wishes for backfills among these, in the order in which they were asked."""
    return [wish for name, wish in wishes.items() if name.partition("/")[0] == BACKFILL]


def wish_key(feed: Feed, name: str) -> bytes:
    """The key of a wish in the control topic; a tombstone there withdraws it."""
    return f"{feed.domain}/{name}".encode()


def _record(feed: Feed, wish: Wish) -> dict[str, Any]:
    return {
        "force": feed.force,
        "domain": feed.domain,
        "name": wish.name,
        "value": json.dumps(wish.value),
        "by": wish.by,
        "reason": wish.reason,
        "at": wish.at,
    }


def wish_of(record: Mapping[str, Any]) -> Wish:
    """A wish as decoded from the control topic."""
    return Wish(record["name"], json.loads(record["value"]), record["by"], record["reason"], record["at"])
