"""Rows from dead letters on their way again: read once more, checked, given a version.

The connector is the one owner of a feed's versions and of its transactional id, so only it
publishes what an operator replays; it answers in the transaction in which it does.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from connectors.publisher import Publisher
from connectors.replayed_row import parse_row
from connectors.source import Batch, Row
from hub.bus.contract import Bus
from hub.control import REPLAY, Control, Wish
from hub.dead_letters.rows import (
    FAILED,
    PUBLISHED,
    STALE,
    UNCHANGED,
    Answer,
    ParsedRow,
    answer_of,
    answered,
    asked_value,
    newest_events,
    overtaken,
    refuse_misfit,
)
from hub.errors import BadRecordError
from hub.forces import Feed
from hub.kill_points import reached
from hub.schema.codec import Codec

_AT_ONCE = 500
"""Rows that share a transaction: those asked while the connector was away may be very many."""
_LATE = "A newer row of this key has been published since."


class Replays:
    """Takes rows in again for one feed."""

    def __init__(self, feed: Feed, bus: Bus, codec: Codec) -> None:
        self._feed = feed
        self._bus = bus
        self._codec = codec
        self._control = Control(bus, codec)
        self._encode = codec.encoder(feed.control_topic)

    def take(self, publisher: Publisher, wishes: Iterable[Wish], at: int) -> None:
        """Publish what the rows change that wait among these wishes, each committed with its answer.

        Every row counts as read once more (invariant 5). What waits is read anew from the bus:
        a row whose answer is there must not be compared with what became of itself.
        """
        if not rows_to_replay(wishes):
            return
        standing = [w for name, w in self._control.read(self._feed).items() if name.startswith(REPLAY)]
        waiting = rows_to_replay(standing)
        events: dict[str, Mapping[str, Any]] | None = None
        for number, wish in enumerate(waiting, 1):
            row = self._parsed(wish)
            if isinstance(row, ParsedRow) and events is None:
                events = self._events(publisher, waiting)
            answer = row if isinstance(row, Answer) else self._publish(publisher, wish, row, events or {})
            publisher.answer(wish.name, self._encode(self._record(wish, answer)))
            if number % _AT_ONCE == 0 or number == len(waiting):
                reached(3, "connect.replays:before")
                publisher.part(at)
                reached(3, "connect.replays:after")

    def _parsed(self, wish: Wish) -> ParsedRow | Answer:
        about, value, form = asked_value(wish)
        try:
            row = parse_row(self._feed, about, value, form)
            refuse_misfit(self._feed, self._codec, row)
        except BadRecordError as error:
            return Answer(FAILED, str(error))
        return row

    def _events(self, publisher: Publisher, wishes: Iterable[Wish]) -> dict[str, Mapping[str, Any]]:
        """What was last published of the keys; the topic is read only where there is something of one."""
        rows = [row for wish in wishes if isinstance(row := self._parsed(wish), ParsedRow)]
        known = publisher.state.lookup([row.key for row in rows if row.key is not None])
        reached(4, "connect.overtaken:before")
        events = newest_events(self._bus, self._codec, self._feed, known)
        reached(4, "connect.overtaken:after")
        return events

    def _publish(
        self, publisher: Publisher, wish: Wish, row: ParsedRow, events: Mapping[str, Mapping[str, Any]]
    ) -> Answer:
        """Publish as read when it was set aside, so that a later row of its key counts as newer."""
        about, _, _ = asked_value(wish)
        assert row.key is not None
        if overtaken(row, about["at"], events.get(row.key)):
            return Answer(STALE, _LATE)
        again = Row(row.key, row.values, f"{about['source_position']}, replayed", row.version, row.removed)
        published, _ = publisher.take(publisher.changes.of(Batch([again], {})), about["at"])
        return Answer(PUBLISHED if published else UNCHANGED)

    def _record(self, wish: Wish, answer: Answer) -> dict[str, Any]:
        return {
            "force": self._feed.force,
            "domain": self._feed.domain,
            "name": wish.name,
            "value": json.dumps(answered(answer)),
            "by": wish.by,
            "reason": wish.reason,
            "at": wish.at,
        }


def rows_to_replay(wishes: Iterable[Wish]) -> list[Wish]:
    """The wishes for rows that have no answer yet, in the order in which they were asked."""
    return [wish for wish in wishes if answer_of(wish) is None]
