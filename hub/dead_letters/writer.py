"""Every change to a case: one writer at a time over all processes, each act with its audit entry."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TypeVar

from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    stop_any,
    wait_random,
)

from hub.audit import Entry
from hub.bus.contract import Bus, Headers, Producer
from hub.bus.topics import AUDIT_TOPIC, CASES_TOPIC
from hub.dead_letters.book import Book, Letter
from hub.dead_letters.cases import Case, State, case_record, counts_record
from hub.errors import FencedError, HubError, TransientError
from hub.events import CONTENT_TYPE
from hub.schema.codec import Codec

TRANSACTIONAL_ID = "hub.dead-letters"
_TRIES = 20
_PATIENCE_SECONDS = 30

Result = TypeVar("Result")


class Pen:
    """Writes for as long as nobody else takes it up: then every commit is a `FencedError`."""

    def __init__(self, producer: Producer, codec: Codec, book: Book, clock: Callable[[], float]) -> None:
        self._producer = producer
        self._codec = codec
        self._book = book
        self._clock = clock

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written within is durable and visible together at its end, or none of it."""
        self._producer.begin()
        try:
            yield
            self._producer.commit()
        except BaseException:
            with suppress(HubError):  # what failed is told; an open transaction ends by itself
                self._producer.abort()
            raise

    def now(self) -> int:
        return int(self._clock() * 1_000_000)

    def put(self, letter: Letter, case: Case) -> None:
        value = self._codec.encoder(CASES_TOPIC)(case_record(letter.id, letter.about, case))
        self._producer.send(CASES_TOPIC, letter.id.encode(), value, _HEADERS)

    def count(self, force: str, domain: str, more: Counter[str]) -> None:
        """Add to what is counted of a feed. Once in a transaction for each feed."""
        record = counts_record(force, domain, self._book.counts(force, domain) + more)
        self._producer.send(
            CASES_TOPIC, record["letter"].encode(), self._codec.encoder(CASES_TOPIC)(record), _HEADERS
        )

    def audit(self, entry: Entry) -> None:
        """Write an audit entry in the transaction of what it tells of: neither is there without the other."""
        record = {**asdict(entry), "records": list(entry.records), "at": self.now()}
        self._producer.send(AUDIT_TOPIC, None, self._codec.encoder(AUDIT_TOPIC)(record), _HEADERS)

    def send(self, topic: str, key: bytes, value: bytes | None, headers: Headers, timestamp: int) -> None:
        self._producer.send(topic, key, value, headers, timestamp=timestamp)

    def let_go(self, letters: Iterable[Letter]) -> None:
        """Have compaction remove letters and their cases.

        The rows of those that were not replayed stay counted: they will never be visible (invariant 5).
        """
        gone: dict[tuple[str, str], set[str]] = defaultdict(set)
        for letter in letters:
            self._producer.send(letter.topic, letter.key, None)
            self._producer.send(CASES_TOPIC, letter.id.encode(), None)
            if self._book.case(letter.id).state is not State.REPLAYED:
                gone[letter.feed].add(letter.about["record_id"] or letter.about["sha256"])
        for feed, rows in gone.items():
            self.count(*feed, Counter({"rows_gone": len(rows)}))


_HEADERS: Headers = [("content-type", CONTENT_TYPE)]


class Writer:
    """Hands out the pen. Safe to use from any thread, and beside writers of other processes."""

    def __init__(self, bus: Bus, codec: Codec, book: Book, *, clock: Callable[[], float] = time.time) -> None:
        self._bus = bus
        self._codec = codec
        self.book = book
        self.clock = clock
        self.lock = threading.RLock()

    def work(self, act: Callable[[Pen], Result]) -> Result:
        """Do `act` on the book as it is now; again, on the newer book, where another writer came between.

        Whoever takes the pen has fenced its predecessor before the book is read, so no act rests
        on a case that has changed meanwhile; whether a commit that failed was taken is read there too.
        """
        again = Retrying(
            retry=retry_if_exception_type((FencedError, TransientError)),
            wait=wait_random(0, 0.2),
            stop=stop_any(stop_after_attempt(_TRIES), stop_after_delay(_PATIENCE_SECONDS)),
            reraise=True,
        )
        result: Result = again(self._once, act)
        return result

    def _once(self, act: Callable[[Pen], Result]) -> Result:
        with self.lock:
            producer = self._bus.producer(TRANSACTIONAL_ID)
            try:
                self.book.refresh(and_open=True)
                return act(Pen(producer, self._codec, self.book, self.clock))
            finally:
                producer.close()
