"""`positions reset`: have a source read again from an earlier place, while its connector is stopped."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from connectors.positions import Positions
from connectors.publisher import transactional_id
from connectors.source import Position
from connectors.sources.places import in_words, set_back
from hub.bus.contract import Bus
from hub.control import STATE, ConnectorState
from hub.errors import ConfigurationError
from hub.flow import GONE_AFTER_SECONDS, Status
from hub.forces import Feed
from hub.positions import ACCEPTED, AGAIN, HELD
from hub.schema.codec import Codec


@dataclass(frozen=True, slots=True)
class Reset:
    """What a reset does: which names of the position are forgotten or changed, and where it then stands."""

    forgotten: Sequence[str]
    before: Sequence[str]
    after: Sequence[str]
    position: Position


def plan(feed: Feed, position: Position, to: str | None) -> Reset:
    """Say what a reset does, without doing it. `ConfigurationError` where `to` is no place of the source."""
    after = set_back(feed, position, to)
    forgotten = [name for name, value in position.items() if after.get(name) != value]
    return Reset(forgotten, in_words(feed, position), in_words(feed, after), after)


def refuse_running(status: Status) -> None:
    """`ConfigurationError` where a process may be reading for this feed.

    One that failed and was asked to stop would have said so by now.
    """
    wish = status.wishes.get(STATE)
    told = wish is not None and wish.value["state"] == ConnectorState.STOPPED
    gone = told and wish is not None and time.time() - wish.at / 1_000_000 > GONE_AFTER_SECONDS
    if status.runs and not (gone and status.state == ConnectorState.FAILED):
        feed = status.feed
        stop = f"alliance-hub connectors stop {feed.force} {feed.domain}"
        raise ConfigurationError(
            f"{feed} is {status.state}; stop it first: {stop}. "
            f"Where its process was killed, wait {GONE_AFTER_SECONDS} s."
        )


def reset(feed: Feed, bus: Bus, codec: Codec, to: str | None) -> Reset:
    """Set the position back, behind the connector's own transactional id: whoever still has it is fenced.

    What is then read again and is as it was published counts as unchanged, and is not published.
    """
    at = time.time_ns() // 1000
    with closing(bus.producer(transactional_id(feed))) as producer:
        positions = Positions(feed, bus, codec)
        planned = plan(feed, positions.position, to)
        entries = [*positions.change(planned.position, at)]
        entries.append(positions.put(AGAIN, {"from": list(planned.after)}, at))
        entries += [positions.forget(name) for name in (HELD, ACCEPTED) if name in positions.kept]
        producer.begin()
        for key, value in entries:
            producer.send(feed.positions_topic, key, value)
        producer.commit()
    return planned
