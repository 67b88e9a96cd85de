"""One feed's way through the normaliser: its step, its dead letters, its window and its counts."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hub.bus.contract import Bus, Headers, Producer, Received
from hub.dead_letters import dead_letter, dead_letter_key, dead_letter_topic, letter_headers
from hub.dead_letters.holds import Holds
from hub.errors import BadRecordError, HeldBehindError, NewerSchemaError, SourceChangedError
from hub.kill_points import reached
from hub.logs import Seldom
from hub.metrics import Metrics
from hub.normalise.flags import Flags
from hub.normalise.mapping import Envelope, Mapper
from hub.normalise.step import Step
from hub.normalise.window import Window
from hub.schema.codec import Codec
from hub.tracing import spans, trace_id_of

STAGE = "normalise"

Event = Envelope | BadRecordError | None
"""An event as read: its envelope, why it cannot be read, or None for an erasure."""


@dataclass(slots=True)
class Outcome:
    """What became of a run of records of one partition; `again` of them had been counted before."""

    next_offset: int = 0
    normalised: int = 0
    dead_lettered: int = 0
    again: int = 0
    erased: int = 0
    flags: Flags = field(default_factory=list)


class Lane:
    """Sends what becomes of one feed's events."""

    def __init__(
        self,
        mapper: Mapper,
        codec: Codec,
        metrics: Metrics,
        clock: Callable[[], float],
        holds: Holds | None = None,
    ) -> None:
        self.feed = mapper.feed
        self._holds = holds
        self._mapper, self._metrics, self._clock = mapper, metrics, clock
        self._step = Step(mapper, codec)
        self._dead_letters = dead_letter_topic(mapper.feed.topic)
        self._encode_dead = codec.encoder(self._dead_letters)
        self._labels = (STAGE, mapper.feed.force, mapper.feed.domain)
        self._spans = spans(STAGE, mapper.feed.force)
        self._letters_told = Seldom()
        self._keeps_partition = False
        self._window = Window(mapper.feed)
        self._declare()

    def open(self, bus: Bus) -> None:
        """Begin anew after joining: where both topics have as many partitions, a key's is the same."""
        self._keeps_partition = bus.partitions(self.feed.topic) == bus.partitions(self._step.topic)
        self._window = Window(self.feed)
        if self._spans is not None:
            self._spans.drop()  # of a transaction that failed

    def send(self, producer: Producer, run: Iterable[Received], counted_to: int) -> Outcome:
        """Send what becomes of these records. `SourceChangedError` where most are bad (invariant 7)."""
        outcome = Outcome()
        for received, event in self._read(run):
            sent = self._pass_on(producer, received, event, outcome.flags)
            outcome.next_offset = received.offset + 1
            if received.offset < counted_to:
                outcome.again += 1
            elif event is None:
                outcome.erased += 1  # an order and no record: it was not published by a connector
            elif sent:
                outcome.normalised += 1
            else:
                outcome.dead_lettered += 1
        return outcome

    def _read(self, run: Iterable[Received]) -> list[tuple[Received, Event]]:
        """Decode all, or say why not, and tell the mapping what comes.

        `SourceChangedError` before one of a newer release: it is this one that is behind.
        """
        read: list[tuple[Received, Event]] = []
        for received in run:
            try:
                read.append((received, self._step.read(received)))
            except NewerSchemaError as error:
                at = f"offset {received.offset} of {received.topic}-{received.partition}"
                raise SourceChangedError(
                    f"{self.feed}: {at} {error}. Nothing is set aside; it goes on by itself then."
                ) from error
            except BadRecordError as error:
                read.append((received, error))
        self._step.ahead([event for _, event in read if isinstance(event, dict)])
        return read

    def _pass_on(self, producer: Producer, received: Received, event: Event, flags: Flags) -> bool:
        """Map and send an event; False where it is set aside instead."""
        try:
            if isinstance(event, BadRecordError):
                raise event
            if self._holds is not None and event is not None:
                self._refuse_held(self._holds.behind(received, event))
            value, headers, doubts = self._step.make(received, event)
        except BadRecordError as error:
            self._bury(producer, received, error)
            return False
        self._window.good()
        self._send(producer, received, value, headers)
        flags += doubts
        return True

    def release(self, producer: Producer, received: Received) -> None:
        """Send an event that waited behind a dead letter. `BadRecordError` where it is bad itself."""
        value, headers, _ = self._step.make(received, self._step.read(received))
        self._send(producer, received, value, headers)

    def _send(self, producer: Producer, received: Received, value: bytes | None, headers: Headers) -> None:
        if self._spans is not None:
            headers = self._spans.follow(self._step.topic, received.key, headers)
        producer.send(
            self._step.topic,
            received.key,
            value,
            headers,
            partition=received.partition if self._keeps_partition else None,
            timestamp=received.timestamp,
        )

    @staticmethod
    def _refuse_held(letter: str | None) -> None:
        if letter is not None:
            raise HeldBehindError(
                f"It waits behind dead letter {letter} of the same record, since its source is configured "
                "with strict_order; it goes on by itself once that is replayed or discarded."
            )

    def count(self, outcome: Outcome) -> None:
        """Tell the metrics, once what they tell of is durable."""
        if self._spans is not None:
            self._spans.end()
        amounts = {name: getattr(outcome, name) for name in ("normalised", "dead_lettered", "erased")}
        amounts["received"] = sum(amounts.values()) + outcome.again
        for name, amount in amounts.items():
            self._metrics.records.labels(*self._labels, name).inc(amount)
        if outcome.flags:
            self._count_flags(outcome.flags)

    def progressed(self) -> None:
        self._metrics.moved(*self._labels, self._clock())

    def retried(self, pause_seconds: float) -> None:
        self._metrics.retried(*self._labels, pause_seconds)

    def stopped(self, value: int) -> None:
        self._metrics.stopped.labels(*self._labels).set(value)

    def _bury(self, producer: Producer, received: Received, error: BadRecordError) -> None:
        if not isinstance(error, HeldBehindError):
            self._window.bad(str(error))
            self._tell(received, error)
        if self._holds is not None:
            self._holds.note(STAGE, received)
        feed, at = self.feed, int(self._clock() * 1_000_000)
        letter = dead_letter(
            STAGE, received, error, at, force=feed.force, domain=feed.domain, system=feed.system
        )
        reached(6, "normalise.dead-letter:before")
        producer.send(
            self._dead_letters,
            dead_letter_key(STAGE, received),
            self._encode_dead(letter),
            letter_headers(letter),
        )
        reached(6, "normalise.dead-letter:after")

    def _tell(self, received: Received, error: BadRecordError) -> None:
        self._letters_told.warning(
            "dead letter",
            feed=str(self.feed),
            record_id=received.key and received.key.decode("utf-8", "replace"),
            trace_id=trace_id_of(received.headers),
            reason=str(error),
        )

    def _count_flags(self, flags: Flags) -> None:
        _, force, domain = self._labels
        for (field_name, problem), count in Counter((f["field"], f["problem"]) for f in flags).items():
            self._metrics.flags.labels(force, domain, problem).inc(count)
            if problem == "unknown_code" and (table := self._mapper.table_of(field_name)):
                self._metrics.unknown_codes.labels(force, domain, table).inc(count)

    def _declare(self) -> None:
        """Make every series present from the start."""
        self._metrics.declare(*self._labels)
        _, force, domain = self._labels
        for table in self._mapper.tables:
            self._metrics.unknown_codes.labels(force, domain, table)
