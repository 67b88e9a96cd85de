"""Strict order: where a source is configured so, later events of a key wait behind its dead letter.

The normaliser sets such an event aside as a letter of its own, held behind the first, so that
nothing blocks other records and nothing is lost. Once the first is resolved it sends what waits,
in order; only it can, since only it knows that no later event of the key passes meanwhile.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from hub.bus.contract import Bus, Received
from hub.dead_letters.book import Book, Letter, topics_of
from hub.dead_letters.cases import Case, State
from hub.dead_letters.letter import dead_letter_key, dead_letter_topic
from hub.errors import HeldBehindError
from hub.forces import Feed
from hub.schema.codec import Codec


def is_strict(source: Mapping[str, Any]) -> bool:
    """Whether a source is configured so that later events of a key wait behind its dead letter."""
    return bool(source.get("strict_order", False))


def waits(letter: Letter, case: Case) -> bool:
    """Whether nothing is wrong with a letter but that an earlier one is not resolved."""
    return letter.about["error"] == HeldBehindError.__name__ and case.state is State.OPEN


class Holds:
    """What waits in some feeds, as one normaliser sees it."""

    def __init__(self, bus: Bus, codec: Codec, feeds: Iterable[Feed]) -> None:
        feeds = list(feeds)
        self.topics = {feed.topic for feed in feeds}
        self._feeds = {(feed.force, feed.domain) for feed in feeds}
        self._book = Book(bus, codec, topics_of(feeds))
        self._turned = -1
        self._unresolved: dict[bytes, list[Letter]] = {}
        self._now: dict[bytes, str] = {}

    def look(self) -> None:
        """Take in every letter that could be before an event that was polled; begin a new batch.

        An event may be visible a moment before a letter of the same transaction: what is open
        as of this call is waited for.
        """
        self._book.refresh(and_open=True)
        self._now.clear()
        if self._turned != self._book.turned:
            self._turned = self._book.turned
            self._unresolved = self._sorted()

    def behind(self, received: Received, event: Mapping[str, Any]) -> str | None:
        """The letter that an event must wait for; None where it may pass."""
        key = received.key or b""
        for letter in self._unresolved.get(key, ()):
            if _is_before(letter, received, event):
                return letter.id
        return self._now.get(key)

    def note(self, stage: str, received: Received) -> None:
        """An event of this batch was set aside: those of its key behind it wait."""
        letter = f"{dead_letter_topic(received.topic)}/{dead_letter_key(stage, received).decode()}"
        self._now.setdefault(received.key or b"", letter)

    def due(self, partitions: Collection[tuple[str, int]]) -> list[tuple[Letter, Case]]:
        """The letters of these partitions that need wait no longer, in order within each record."""
        found: list[tuple[Letter, Case]] = []
        for letters in self._unresolved.values():
            gone: set[str] = set()
            waiting = [each for each in letters if waits(each, self._book.case(each.id))]
            for letter in sorted(waiting, key=lambda each: int(each.about["offset"])):
                if (letter.about["topic"], letter.about["partition"]) not in partitions:
                    continue
                if any(_blocks(each, letter) for each in letters if each.id not in gone):
                    break
                gone.add(letter.id)
                found.append((letter, self._book.case(letter.id)))
        return found

    def original(self, letter: Letter) -> bytes | None:
        return self._book.original(letter)

    def close(self) -> None:
        self._book.close()
        self._turned = -1

    def _sorted(self) -> dict[bytes, list[Letter]]:
        unresolved: dict[bytes, list[Letter]] = defaultdict(list)
        for letter in self._book:
            if letter.feed in self._feeds and not self._book.case(letter.id).resolved:
                key = letter.about["key"] or (letter.about["record_id"] or "").encode()
                if key:
                    unresolved[key].append(letter)
        return dict(unresolved)


def _is_before(letter: Letter, received: Received, event: Mapping[str, Any]) -> bool:
    about = letter.about
    if about["stage"] == "normalise":
        return about["partition"] == received.partition and bool(about["offset"] < received.offset)
    if about["stage"] == "read":
        return bool(about["at"] <= event["read_at"])
    return True  # what the view could not use was once normalised, so this event is no older


def _blocks(letter: Letter, waiting: Letter) -> bool:
    """Whether a letter that waits must go on waiting for another."""
    if letter.id == waiting.id:
        return False
    if letter.about["stage"] == "normalise":
        return bool(letter.about["offset"] < waiting.about["offset"])
    return bool(letter.about["at"] <= waiting.about["at"])
