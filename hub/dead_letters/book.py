"""Every dead letter and its case, followed on the bus."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import structlog

from hub.bus.contract import Bus, Consumer, Received, TopicPartition
from hub.bus.topics import CASES_TOPIC
from hub.dead_letters.cases import COUNTS, Case, case_of
from hub.dead_letters.letter import HEAD_BYTES, LONGEST_BYTES, dead_letter_topic
from hub.domains import DOMAINS
from hub.errors import BadRecordError, HubError, TransientError
from hub.forces import Feed, Force
from hub.schema.codec import Codec

log = structlog.get_logger()

_AT_HAND_BYTES = 16 * 1024
_POLL_SECONDS = 0.2
_POLL_RECORDS = 1000
_PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as it lies on its topic: `about` is it decoded. A long original is fetched on need."""

    id: str
    topic: str
    offset: int
    about: Mapping[str, Any]
    original: bytes | None
    at_hand: bool = True

    @property
    def key(self) -> bytes:
        return self.id[len(self.topic) + 1 :].encode()

    @property
    def feed(self) -> tuple[str, str]:
        return self.about["force"], self.about["domain"]

    @property
    def kept(self) -> bool:
        """Whether all of the original that may be kept was: neither nothing nor its head alone."""
        return not self.about["cut"] and (self.original is not None or not self.at_hand)


def topics_of(feeds: Iterable[Feed]) -> list[str]:
    """The dead-letter topics on which letters of these feeds may lie."""
    feeds = list(feeds)
    alliance = {DOMAINS[feed.domain].topic for feed in feeds}
    return [dead_letter_topic(topic) for topic in (*(feed.topic for feed in feeds), *sorted(alliance))]


def all_feeds(forces: Mapping[str, Force]) -> list[Feed]:
    return [feed for force in forces.values() for feed in force.feeds.values()]


class Book:
    """Letters, cases and counts as of the last `refresh`. For one thread at a time."""

    def __init__(self, bus: Bus, codec: Codec, topics: Iterable[str]) -> None:
        self._bus = bus
        self._topics = [*topics, CASES_TOPIC]
        self._decoders = {topic: codec.decoder(topic) for topic in self._topics}
        self._consumer: Consumer | None = None
        self.turned = 0
        """Raised whenever something new was read."""
        self._forget()

    def refresh(self, *, and_open: bool = False) -> None:
        """Read on to the end as of this call; `and_open` past transactions that are open now, too."""
        try:
            consumer = self._consumer or self._begin()
            ends = self._bus.end_offsets(self._topics, and_open=and_open)
            for records in read_until(consumer, ends):
                for received in records:
                    self._take(received)
        except HubError:
            self.close()
            raise

    def case(self, letter: str) -> Case:
        return self._cases.get(letter, _UNTOUCHED)

    def counts(self, force: str, domain: str) -> Counter[str]:
        """What became of a feed's letters, those no longer kept included."""
        return Counter(self._counts.get(f"{COUNTS}{force}/{domain}", {}))

    def __iter__(self) -> Iterator[Letter]:
        """Every letter that is kept, in the order in which they were set aside."""
        return iter(sorted(self._letters.values(), key=lambda each: (each.about["at"], each.offset, each.id)))

    def get(self, letter: str) -> Letter | None:
        return self._letters.get(letter)

    def original(self, letter: Letter) -> bytes | None:
        """The original's bytes, of a long one from its topic."""
        if letter.at_hand:
            return letter.original
        with closing(self._bus.consumer([letter.topic], group=None)) as consumer:
            place = TopicPartition(letter.topic, 0)
            consumer.seek(place, letter.offset)
            for records in read_until(consumer, {place: letter.offset + 1}):
                for received in records:
                    if received.offset == letter.offset:
                        return self._decoders[letter.topic](received.value)["value"]  # type: ignore[no-any-return]
        raise TransientError(f"Dead letter {letter.id} was taken away just now; look again.")

    def close(self) -> None:
        """Let go of the bus; the next `refresh` reads everything anew."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _begin(self) -> Consumer:
        self._forget()
        self._consumer = self._bus.consumer(self._topics, group=None)
        return self._consumer

    def _forget(self) -> None:
        self._letters: dict[str, Letter] = {}
        self._cases: dict[str, Case] = {}
        self._counts: dict[str, Mapping[str, int]] = {}

    def _take(self, received: Received) -> None:
        self.turned += 1
        key = (received.key or b"").decode("utf-8", "replace")
        if received.topic == CASES_TOPIC:
            self._take_case(key, received.value)
            return
        name = f"{received.topic}/{key}"
        if received.value is None:
            self._letters.pop(name, None)
            return
        try:
            about = self._decoders[received.topic](received.value)
        except BadRecordError as error:
            log.warning("not a dead letter", topic=received.topic, offset=received.offset, reason=str(error))
            return
        self._letters[name] = _letter(name, received, about)

    def _take_case(self, key: str, value: bytes | None) -> None:
        held: dict[str, Any] = self._counts if key.startswith(COUNTS) else self._cases
        if value is None:
            held.pop(key, None)
            return
        record = self._decoders[CASES_TOPIC](value)
        held[key] = record["counts"] if held is self._counts else case_of(record)


_UNTOUCHED = Case()


def _letter(name: str, received: Received, about: dict[str, Any]) -> Letter:
    original = about.pop("value")
    size = None if original is None else len(original)
    about["cut"] = size == HEAD_BYTES and about["length"] > LONGEST_BYTES
    at_hand = size is None or size <= _AT_HAND_BYTES
    return Letter(name, received.topic, received.offset, about, original if at_hand else None, at_hand)


def read_until(
    consumer: Consumer, ends: Mapping[TopicPartition, int], *, clock: Callable[[], float] = time.monotonic
) -> Iterator[list[Received]]:
    """What lies before `ends`, batch by batch; `TransientError` where the bus does not come so far."""
    patience = clock() + _PATIENCE_SECONDS
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        records = consumer.poll(timeout_seconds=_POLL_SECONDS, max_records=_POLL_RECORDS)
        if records:
            patience = clock() + _PATIENCE_SECONDS
            yield records
        elif clock() > patience:
            raise TransientError(
                f"The bus did not give what lies on {', '.join(sorted({p.topic for p in ends}))} within "
                f"{_PATIENCE_SECONDS} s: a transaction may still be open, or it does not answer."
            )
