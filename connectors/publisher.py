"""One fenced run of publishing: what is known, where reading goes on, and one transaction at a time."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from connectors.changes import Change, Changes, Dead, Found, as_refused, dead_id
from connectors.messages import Message, Messages, id_prefix
from connectors.positions import Entry, Positions
from connectors.published import read_state, readable
from connectors.source import Position
from connectors.state import Known
from hub.bus.contract import Bus, Producer
from hub.control import wish_key
from hub.dead_letters import dead_letter_topic
from hub.errors import BadRecordError, TransientError
from hub.forces import Feed
from hub.kill_points import reached
from hub.logs import Seldom
from hub.schema.codec import Codec
from hub.tracing import spans

IDLE_SECONDS = 1.0
"""How often, at most, counts and `complete_to` are written while nothing is published."""


class Publisher:
    """Reads positions and state behind a producer that has fenced the predecessor before.

    What is published becomes visible with the position that is kept after it, or not at all
    (invariant 1). After an error a publisher is of no more use: whether its commit was taken
    is not known, so the next one reads the bus again. `counted` is told what came of the rows
    once that is committed, and `moves` called while what was published before is read.
    """

    def __init__(
        self,
        feed: Feed,
        fields: Sequence[str],
        bus: Bus,
        codec: Codec,
        producer: Producer,
        counted: Callable[[Mapping[str, int]], None],
        moves: Callable[[], None] = lambda: None,
    ) -> None:
        self._feed = feed
        self._producer = producer
        self._counted = counted
        self._uncounted: Counter[str] = Counter()
        self._messages = Messages(
            feed, fields, codec.encoder(feed.topic), codec.encoder(dead_letter_topic(feed.topic))
        )
        with readable(feed):
            self.positions = Positions(feed, bus, codec)
            reached(3, "connect.load:before")
            self.state = read_state(feed, bus, codec, moves)
            reached(3, "connect.load:after")
        self.position: Position = self.positions.position
        self.changes = Changes(fields, self.state, by_time=by_time(feed))
        self._spans = spans("publish", feed.force)
        self._letters_told = Seldom()
        self._open = False
        self._kept_at = 0
        self._unwritten = False

    def take(self, found: Found, at: int) -> tuple[int, int]:
        """Publish what one batch comes to and count all of it (invariant 5)."""
        published, dead = self.publish(found.changes, found.dead, at)
        self.count(
            {
                "read": found.read,
                "published": published,
                "dead_lettered": dead,
                "other_force": found.other_force,
                "unchanged": found.unchanged + len(found.changes) + len(found.dead) - published - dead,
            }
        )
        return published, dead

    def publish(self, changes: Sequence[Change], dead: Sequence[Dead], at: int) -> tuple[int, int]:
        """Send changes and dead letters; a change that cannot be sent becomes a dead letter.

        Returns how many of each went out; what is neither was set aside before.
        """
        sent: dict[str, Known] = {}
        published = 0
        letters = list(dead)
        if changes:
            reached(1, "connect.events:before")
        for change in changes:
            try:
                self._send(self._traced(self._messages.event(change, at), at))
            except BadRecordError as error:
                letters += self._unsendable(change, error)
                continue
            sent[change.key] = change.known
            published += 1
        if sent:
            reached(1, "connect.events:after")
        if letters:
            self._bury(letters, at)
        self.state.put(sent)
        return published, len(letters)

    def count(self, amounts: Mapping[str, int]) -> None:
        for name, amount in amounts.items():
            self.positions.counts[name] += amount
            self._uncounted[name] += amount
        self._unwritten = self._unwritten or any(amounts.values())

    def put(self, name: str, value: Any, at: int) -> None:
        """Write one entry of the positions topic at once, with what is open and what was counted."""
        self._send_entry(self.positions.put(name, value, at))
        if self._unwritten:
            self._send_entry(self.positions.summary(at))
        self._commit(at)

    def note(self, name: str, value: Any, at: int) -> None:
        """Write an entry that somebody else keeps with the next commit; without a value it is forgotten."""
        self._send_entry(self.positions.entry(name, value, at))

    def note_position(self, under: str, position: Position, at: int) -> None:
        """Write what changed of another position with the next commit, under names that begin so."""
        for entry in self.positions.change_of(under, position, at):
            self._send_entry(entry)

    def answer(self, name: str, value: bytes | None) -> None:
        """Write a wish of this feed anew with the next commit, in its new form as encoded."""
        self._send(Message(self._feed.control_topic, wish_key(self._feed, name), value, (), None))

    def withdraw(self, name: str) -> None:
        """Drop a wish of this feed with the next commit: it is fulfilled."""
        self.answer(name, None)

    def forget(self, *names: str) -> None:
        """Drop entries of the positions topic with the next commit."""
        for name in names:
            if name in self.positions.kept:
                self._send_entry(self.positions.forget(name))

    def part(self, at: int) -> None:
        """Commit what is published so far of a batch whose position may not be kept yet."""
        if self._open:
            self._send_entry(self.positions.summary(at))
            self._commit(at)

    def keep(self, position: Position, complete_to: int | None, at: int, *, now: bool = False) -> None:
        """Commit what is published together with the position after it (invariant 1).

        Where nothing is published a commit waits until the last is a second old, or `now`.
        """
        self.position = position
        if complete_to is not None and complete_to != self.positions.complete_to:
            self.positions.complete_to = complete_to
            self._unwritten = True
        waited = at - self._kept_at
        # A clock set back makes it due too: else nothing would be told until it is that late again.
        due = self._open or now or not 0 <= waited < IDLE_SECONDS * 1_000_000
        if not due:
            return
        reached(1, "connect.position:before")
        for entry in self.positions.change(position, at):
            self._send_entry(entry)
        if self._open or self._unwritten:
            self._send_entry(self.positions.summary(at))
            reached(1, "connect.position:after")
            self._commit(at)

    def close(self) -> None:
        """Drop what is open; the producer stays, so that one who took over is not fenced in turn."""
        self.state.close()
        if self._spans is not None:
            self._spans.drop()
        with suppress(TransientError):  # what a bus that is away still holds open is dropped by itself
            self._producer.abort()

    def _bury(self, letters: Sequence[Dead], at: int) -> None:
        reached(6, "connect.dead-letters:before")
        for letter in letters:
            self._send(self._messages.dead_letter(letter, at))
            key, reason = letter.refused.key, letter.refused.reason
            record = None if key is None else id_prefix(self._feed) + key
            self._letters_told.warning("dead letter", feed=str(self._feed), record_id=record, reason=reason)
        reached(6, "connect.dead-letters:after")

    def _traced(self, message: Message, at: int) -> Message:
        if self._spans is None:
            return message
        return message._replace(headers=self._spans.begin(message.topic, message.key, message.headers, at))

    def _unsendable(self, change: Change, error: BadRecordError) -> list[Dead]:
        refused = as_refused(change.row, str(error))
        name = dead_id(refused)
        return [Dead(name, refused)] if self.state.bury([name]) else []

    def _send(self, message: Message) -> None:
        if not self._open:
            self._producer.begin()
            self._open = True
        self._producer.send(
            message.topic, message.key, message.value, message.headers, timestamp=message.timestamp
        )

    def _send_entry(self, entry: Entry) -> None:
        self._send(Message(self._feed.positions_topic, *entry, (), None))

    def _commit(self, at: int) -> None:
        reached(8, "connect.commit:before")
        self._producer.commit()
        reached(8, "connect.commit:after")
        if self._spans is not None:
            self._spans.end()
        self._open = False
        self._unwritten = False
        self._kept_at = at
        self.state.keep()
        self._counted(self._uncounted)
        self._uncounted.clear()


def transactional_id(feed: Feed) -> str:
    """Whose producer publishes a feed: whoever opens the next one fences the one before."""
    return f"{feed.force}.{feed.domain}.connector"


def by_time(feed: Feed) -> bool:
    """Whether the source's versions are times, whose equals may be told apart by their order."""
    version = feed.source.get("version")
    return isinstance(version, Mapping) and "time" in version
