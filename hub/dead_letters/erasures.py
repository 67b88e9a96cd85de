"""Letters of records that were erased: what they hold may not outlive the record.

A tombstone on a topic is the order to erase a record; the letters set aside before it go with it,
whether somebody resolved them or not. Of a row whose key could not be read nobody can tell whose
it was: it stays until it is resolved.
"""

import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from hub.audit import Entry
from hub.bus.contract import Bus, Consumer, Received
from hub.dead_letters.book import Letter, read_until
from hub.dead_letters.cases import State
from hub.dead_letters.office import Office
from hub.dead_letters.writer import Pen, Writer
from hub.errors import HubError

_AT_ONCE = 500


class Order(NamedTuple):
    """Where the last order to erase a record lies, and from when it is, in milliseconds."""

    partition: int
    offset: int
    timestamp: int


class Erasures:
    """The orders on the topics that letters are of, followed as far as was looked. For one thread."""

    def __init__(self, bus: Bus, stop: threading.Event) -> None:
        self._bus = bus
        self._stop = stop
        self._consumers: dict[str, Consumer] = {}
        self._orders: dict[tuple[str, bytes], Order] = {}

    def look(self, topics: Iterable[str]) -> None:
        """Read these topics on to their ends, or until stopped; of one that is new, all that is kept."""
        try:
            for topic in sorted(topics):
                self._follow(topic)
        except HubError:
            self.close()
            raise

    def covers(self, letter: Letter) -> bool:
        """Whether the record of a letter was erased after it was set aside."""
        about = letter.about
        key = about["key"] or (about["record_id"] or "").encode()
        order = self._orders.get((about["topic"], key))
        if order is None:
            return False
        if about["stage"] == "read":  # the row was never on the topic
            return bool(about["at"] <= order.timestamp * 1000)
        return bool(about["partition"] == order.partition and about["offset"] < order.offset)

    def close(self) -> None:
        """Let go of the bus; the next look reads everything anew."""
        for consumer in self._consumers.values():
            consumer.close()
        self._consumers.clear()

    def _follow(self, topic: str) -> None:
        consumer = self._consumers.get(topic)
        if consumer is None:
            consumer = self._consumers[topic] = self._bus.consumer([topic], group=None)
        for records in read_until(consumer, self._bus.end_offsets([topic])):
            for received in records:
                self._take(received)
            if self._stop.is_set():
                return

    def _take(self, received: Received) -> None:
        if received.value is None and received.key is not None:
            order = Order(received.partition, received.offset, received.timestamp)
            self._orders[received.topic, received.key] = order


def let_erased_go(office: Office, erasures: Erasures) -> int:
    """Have the bus forget the letters of erased records; how many there were."""
    writer = office.writer
    with writer.lock:
        writer.book.refresh()
        letters = [*writer.book]
    erasures.look({letter.about["topic"] for letter in letters})
    due = [letter for letter in letters if erasures.covers(letter)]
    for start in range(0, len(due), _AT_ONCE):
        batch = due[start : start + _AT_ONCE]
        for letter in batch:
            if writer.book.case(letter.id).state is State.ASKED:
                office.wishes.withdraw(letter)
        writer.work(_letting_go(writer, batch))
    return len(due)


def _letting_go(writer: Writer, letters: Iterable[Letter]) -> Callable[[Pen], None]:
    def act(pen: Pen) -> None:
        there = [letter for letter in letters if writer.book.get(letter.id) is not None]
        if not there:
            return
        with pen.transaction():
            pen.let_go(there)
            records = sorted({letter.about["record_id"] or letter.id for letter in there})
            pen.audit(Entry("erasure", "hub", records=records, query="dead letters of erased records"))

    return act
