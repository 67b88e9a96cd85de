"""The guard on mass deletion: a person accepts what a snapshot would remove, or nothing is removed.

connector                                   person
`!held` {"removals": n, "live": m}   ─▶     alliance-hub removals show FORCE DOMAIN
goes on, and forgets both            ◀─     `!accepted` {"removals": n}
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from connectors.positions import Positions
from connectors.publisher import Publisher
from hub.bus.contract import Bus
from hub.errors import ConfigurationError, HeldError
from hub.forces import Feed
from hub.kill_points import reached
from hub.positions import ACCEPTED, HELD
from hub.schema.codec import Codec

log = structlog.get_logger()

_LOOK_SECONDS = 0.5
_REMOVALS_AT_ONCE = 1000


class Held(NamedTuple):
    """What a held connector asks a person to accept."""

    removals: int
    live: int


class Removals:
    """Derives the deletions of whole snapshots, and is held where they are too many.

    `held` is told again and again, while it waits for a person, by what error it is held and how
    many removals wait. `removed` is told the keys of each part, and at what time it is made.
    """

    def __init__(
        self,
        feed: Feed,
        bus: Bus,
        *,
        held: Callable[[HeldError, int], None],
        removed: Callable[[Sequence[str], int], None],
    ) -> None:
        self._feed = feed
        self._bus = bus
        self._held = held
        self._removed = removed
        self._max_percent = float(feed.source.get("max_removed_percent", 5))

    def derive(self, publisher: Publisher, snapshot: str | None, at: int, over: Callable[[], bool]) -> bool:
        """Remove what a whole snapshot did not hold, in bounded parts; False where it was `over` before.

        The last part is left open, to be committed with the position.
        """
        removals, live = publisher.state.count_unseen()
        too_many = is_too_many(removals, live, self._max_percent)
        if too_many and not self._accepted(publisher, Held(removals, live), at, over):
            return False
        while chunk := publisher.changes.removals(_REMOVALS_AT_ONCE, f"not in snapshot {snapshot}"):
            reached(5, "connect.removals:before")
            publisher.part(at)
            published, dead = publisher.publish(chunk, (), at)
            publisher.count({"derived": len(chunk), "published": published, "dead_lettered": dead})
            self._removed([change.key for change in chunk], at)
            reached(5, "connect.removals:after")
        publisher.state.end_snapshot()
        publisher.forget(HELD, ACCEPTED)
        return True

    def _accepted(self, publisher: Publisher, held: Held, at: int, over: Callable[[], bool]) -> bool:
        if accepted(publisher.positions) >= held.removals:
            return True
        error = held_error(self._feed, held)
        log.error("held", feed=str(self._feed), message=str(error))
        publisher.put(HELD, held._asdict(), at)

        def looked() -> bool:
            self._held(error, held.removals)
            return over()

        return wait_for_acceptance(self._feed, self._bus, publisher.positions, held.removals, looked)


def is_too_many(removals: int, live: int, max_removed_percent: float) -> bool:
    """Whether a person must accept this many removals: above the share, or all there are."""
    return removals > 0 and (removals == live or removals * 100 > max_removed_percent * live)


def held_error(feed: Feed, held: Held) -> HeldError:
    accept = f"alliance-hub removals accept {feed.force} {feed.domain} --count {held.removals}"
    return HeldError(
        f"{feed}: the newest snapshot would remove {held.removals} of {held.live} live records "
        f"({100 * held.removals / held.live:.1f} %), so the source is stopped and nothing is removed. "
        f"Where the source is right, accept it: {accept}. "
        f"Where it is not, mend the source and start the connector again: "
        f"alliance-hub connectors restart {feed.force} {feed.domain}."
    )


def accepted(positions: Positions) -> int:
    """How many removals a person has accepted and the connector not yet made."""
    return int(positions.kept.get(ACCEPTED, {"removals": 0})["removals"])


def wait_for_acceptance(
    feed: Feed, bus: Bus, positions: Positions, wanted: int, over: Callable[[], bool]
) -> bool:
    """Wait until a person accepts `wanted` removals; False once it is `over` instead.

    What was accepted once and is used up lies in the topic too, so nothing counts before all of
    what is there now has been read.
    """
    ends = bus.end_offsets([feed.positions_topic])
    consumer = bus.consumer([feed.positions_topic], group=None)
    try:
        while not over():
            read = all(consumer.position(partition) >= end for partition, end in ends.items())
            if read and accepted(positions) >= wanted:
                return True
            for received in consumer.poll(timeout_seconds=_LOOK_SECONDS, max_records=1000):
                positions.take(received.key, received.value)
        return False
    finally:
        consumer.close()


def show_removals(bus: Bus, codec: Codec, feed: Feed) -> Held | None:
    """What the feed's connector is held at; None where it is not held."""
    held = Positions(feed, bus, codec).kept.get(HELD)
    return None if held is None else Held(held["removals"], held["live"])


def accept_removals(bus: Bus, codec: Codec, feed: Feed, count: int) -> Held:
    """Accept exactly the removals that the connector is held at; it goes on by itself.

    Raises `ConfigurationError` where nothing is held, or another number.
    """
    positions = Positions(feed, bus, codec)
    held = positions.kept.get(HELD)
    if held is None:
        raise ConfigurationError(f"{feed}: no removals are held; nothing to accept.")
    if held["removals"] != count:
        raise ConfigurationError(
            f"{feed}: {held['removals']} of {held['live']} records are held, not {count}; "
            f"look at them and accept that number: --count {held['removals']}."
        )
    producer = bus.producer(f"{feed.force}.{feed.domain}.removals")
    try:
        producer.begin()
        key, value = positions.put(ACCEPTED, {"removals": count}, time.time_ns() // 1000)
        producer.send(feed.positions_topic, key, value)
        producer.commit()
    finally:
        producer.close()
    return Held(held["removals"], held["live"])
