"""A machine that does anything the contract allows, in any order, to a bus and to a simple model of it."""

import itertools
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hub.bus.contract import Bus, Consumer, Offset, Producer, TopicPartition, TopicSpec
from hub.bus.murmur2 import partition_of
from hub.errors import FatalError, FencedError, TransientError
from tests.contract.bus_model import Member, Model, Sent, Transaction
from tests.contract.places import Place
from tests.waiting import wait_until

WRITERS, GROUPS = ("north", "south"), ("view", "normalise")
EVENTS, STATE = 0, 1
PARTITIONS = (3, 1)
STEPS_OPEN = 12
OPEN_SECONDS = 8.0
"""Kafka drops a transaction that is open for ten seconds; one as old as this may be lost."""

writers, groups = st.sampled_from(WRITERS), st.sampled_from(GROUPS)
one_or_other = st.integers(0, 1)
keys = st.sampled_from([b"", b"a", b"b", b"c"])
records = st.lists(
    st.tuples(one_or_other, keys, st.none() | st.binary(max_size=5), st.none() | st.integers(0, 2)),
    min_size=1,
    max_size=4,
)


class Writing(NamedTuple):
    """A producer, its transaction if one is open, and since when."""

    producer: Producer
    transaction: Transaction | None = None
    since: float = 0.0

    @property
    def may_be_lost(self) -> bool:
        return time.monotonic() - self.since > OPEN_SECONDS


class Reading(NamedTuple):
    consumer: Consumer
    member: Member


class BusMachine(RuleBasedStateMachine):
    """Drives two openings of one bus, as two processes would have."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.model = Model()
        self.writing: dict[str, Writing] = {}
        self.fenced: list[Writing] = []
        self.reading: dict[str, Reading] = {}
        self.buses: list[Bus] = []
        self.looked = self.steps = 0
        """How many steps there were since the bus was opened; and when it was looked at last."""

    @property
    def open(self) -> list[str]:
        """The writers that have a transaction open."""
        return [name for name, writing in self.writing.items() if writing.transaction is not None]

    @property
    def looks_due(self) -> bool:
        """Whether to look again: on Kafka that takes as long as ten other steps."""
        return self.steps < self.looked or self.steps - self.looked > 5

    @initialize()
    def make_topics(self) -> None:
        self.buses = [self.place.open(), self.place.open()]
        specs = [TopicSpec(self.place.name("events"), PARTITIONS[EVENTS], "delete")]
        specs.append(TopicSpec(self.place.name("state"), PARTITIONS[STATE], "compact"))
        self.names = {name: self.place.name(name) for name in (*WRITERS, *GROUPS)}
        self.topics = [spec.name for spec in specs]
        self.buses[0].create_topics(specs)

    @rule(writer=writers, which=one_or_other)
    def make_a_producer_which_fences_the_older(self, writer: str, which: int) -> None:
        older = self.writing.pop(writer, None)
        if older is not None:
            self.fenced.append(older)
            self._end(older, "aborted")
        self.writing[writer] = Writing(self.buses[which].producer(self.names[writer]))

    @rule(writer=writers, sent=records)
    def send(self, writer: str, sent: list[tuple[int, bytes, bytes | None, int | None]]) -> None:
        writing = self._begun(writer)
        assert writing.transaction is not None
        try:
            for topic, key, value, wanted in sent:
                name, count = self.topics[topic], PARTITIONS[topic]
                chosen = None if wanted is None else wanted % count
                partition = TopicPartition(name, partition_of(key, count) if chosen is None else chosen)
                number = self.model.number()
                record = Sent(number, partition, key, value, 1_478_000_000_000 + number)
                writing.producer.send(
                    name, key, value, record.headers, partition=chosen, timestamp=record.timestamp
                )
                writing.transaction.sent.append(record)
        except TransientError:
            self._lost(writer, writing)

    @rule(writer=writers, sent=records)
    def send_and_commit(self, writer: str, sent: list[tuple[int, bytes, bytes | None, int | None]]) -> None:
        self.send(writer, sent)
        if writer in self.open:
            self.commit(writer)

    @precondition(lambda self: self.reading)
    @rule(writer=writers, group=groups, text=st.sampled_from(["", '{"é": 1}']))
    def keep_offsets(self, writer: str, group: str, text: str) -> None:
        consumer, member = self.reading[self._one_that_reads(group)]
        kept = {tp: Offset(at, text) for tp, at in self._positions(consumer, member).items()}
        writing = self._begun(writer)
        assert writing.transaction is not None
        writing.producer.keep_offsets(consumer, kept)
        writing.transaction.kept.append((member, kept))

    @precondition(lambda self: self.open)
    @rule(writer=writers)
    def commit(self, writer: str) -> None:
        writer = writer if writer in self.open else self.open[0]
        writing = self.writing[writer]
        assert writing.transaction is not None
        members = [member for member, _ in writing.transaction.kept]
        try:
            writing.producer.commit()
        except FencedError:
            assert not all(member.last for member in members)  # of the group, not of the producer
            self._end(writing, "aborted")
        except TransientError:
            if all(member.last and not member.left for member in members):
                self._lost(writer, writing)
                return
            self._end(writing, "aborted")  # its member is no longer of the group
        else:
            assert all(member.last for member in members), "offsets of a member who was relieved were kept"
            self._end(writing, "committed")
        self.writing[writer] = Writing(writing.producer)

    @precondition(lambda self: self.open)
    @rule(writer=writers)
    def abort(self, writer: str) -> None:
        writer = writer if writer in self.open else self.open[0]
        writing = self.writing[writer]
        writing.producer.abort()
        self._end(writing, "aborted")
        self.writing[writer] = Writing(writing.producer)

    @precondition(lambda self: self.fenced)
    @rule(which=st.integers(0, 9))
    def a_fenced_producer_goes_on(self, which: int) -> None:
        writing = self.fenced.pop(which % len(self.fenced))
        if writing.may_be_lost and writing.transaction is not None:
            return  # Kafka may have dropped it by itself before
        with pytest.raises(FencedError):
            self._go_on(writing)
        writing.producer.close()

    @rule(group=groups, which=one_or_other, both=st.booleans())
    def join(self, group: str, which: int, both: bool) -> None:
        topics = self.topics[: 1 + both]
        if group in self.reading:
            if self.place.kind == "embedded":
                with pytest.raises(FencedError, match="already has its member"):
                    self.buses[which].consumer(topics, group=self.names[group])
            return
        for _, member in self._kept_for(group):
            member.last = False
        kept = self.model.groups.get(group, {})
        every = [tp for tp in self._partitions() if tp.topic in topics]
        member = Member(group, {tp: kept[tp].offset if tp in kept else 0 for tp in every})
        consumer = self.buses[which].consumer(topics, group=self.names[group], instance="one")
        self.reading[group] = Reading(consumer, member)
        wait_until(lambda: self._poll(group, 1) and consumer.assignment() == set(every))

    @precondition(lambda self: self.reading)
    @rule(group=groups, most=st.integers(1, 6))
    def poll(self, group: str, most: int) -> None:
        self._poll(self._one_that_reads(group), most)

    @precondition(lambda self: self.reading and self.model.settled)
    @rule(group=groups)
    def read_to_the_end(self, group: str) -> None:
        group = self._one_that_reads(group)
        consumer, member = self.reading[group]
        ends = self.buses[0].end_offsets(sorted({tp.topic for tp in member.at}))

        def at_the_end() -> bool:
            self._poll(group, 100)
            return all(at >= ends[tp] for tp, at in self._positions(consumer, member).items())

        wait_until(at_the_end)

    @precondition(lambda self: self.reading)
    @rule(group=groups, share=st.floats(0, 1))
    def seek(self, group: str, share: float) -> None:
        consumer, member = self.reading[self._one_that_reads(group)]
        for tp in member.at:
            member.at[tp] = int(member.at[tp] * share)
            consumer.seek(tp, member.at[tp])

    @precondition(lambda self: self.reading)
    @rule(group=groups, text=st.sampled_from(["", "told"]))
    def commit_offsets(self, group: str, text: str) -> None:
        group = self._one_that_reads(group)
        consumer, member = self.reading[group]
        offsets = {tp: Offset(at, text) for tp, at in self._positions(consumer, member).items()}
        consumer.commit(offsets)
        self.model.groups.setdefault(group, {}).update(offsets)

    @precondition(lambda self: self.reading)
    @rule(group=groups)
    def leave(self, group: str) -> None:
        consumer, member = self.reading.pop(self._one_that_reads(group))
        consumer.close()
        member.left = True

    @precondition(lambda self: self.reading)
    @rule(writer=writers, group=groups, relieved=st.booleans(), set_back=st.booleans())
    def leave_before_the_offsets_are_committed(
        self, writer: str, group: str, relieved: bool, set_back: bool
    ) -> None:
        group = self._one_that_reads(group)
        self.keep_offsets(writer, group, "")
        self.leave(group)
        if set_back:
            self.set_a_group_back(group, 0, 0.5)
        if relieved:
            self.join(group, 1, both=True)

    @precondition(lambda self: self.model.groups)
    @rule(group=groups, which=one_or_other, share=st.floats(0, 1))
    def set_a_group_back(self, group: str, which: int, share: float) -> None:
        kept = self.model.groups.get(group, {})
        wanted = {tp: Offset(int(kept[tp].offset * share), "set") for tp in kept} or {
            TopicPartition(self.topics[STATE], 0): Offset(0)
        }
        if group in self.reading:
            with pytest.raises(FatalError, match="stop"):
                self.buses[which].reset_group(self.names[group], wanted)
            return
        for _, member in self._kept_for(group):
            member.last = False
        self.buses[which].reset_group(self.names[group], wanted)
        self.model.groups[group] = {**kept, **wanted}

    @precondition(lambda self: self.looks_due)
    @rule(which=one_or_other)
    def look(self, which: int) -> None:
        """Read all there is, what groups have kept, and where partitions end."""
        bus, self.looked = self.buses[which], self.steps
        closed, every = bus.end_offsets(self.topics), bus.end_offsets(self.topics, and_open=True)
        assert set(every) == set(closed) == set(self._partitions())
        committed = frozenset(self.model.committed(self.topics))
        for partition, end in every.items():
            assert closed[partition] <= end
            self.model.ends.append((partition, end, committed))
        self._look(bus)

    @precondition(lambda self: self.steps >= STEPS_OPEN)
    @rule(killed=st.booleans())
    def open_again(self, killed: bool) -> None:
        """After an end in order; or, on files, with what a killed process would have left."""
        if killed and self.place.kind == "embedded":
            left, new = self.place.url.removeprefix("embedded://"), f"{self.place.url}.{next(_NUMBERS)}"
            for end in ("", "-wal"):
                if Path(left + end).exists():
                    shutil.copyfile(left + end, new.removeprefix("embedded://") + end)
            self.place.url = new
        for writing in self.writing.values():
            self._end(writing, "aborted")
        for bus in self.buses:
            bus.close()
        self.writing, self.fenced, self.reading, self.steps = {}, [], {}, 0
        self.buses = [self.place.open(), self.place.open()]

    @invariant()
    def both_agree(self) -> None:
        self.steps += 1
        if self.place.kind == "embedded" and self.buses:
            self._look(self.buses[0])

    def teardown(self) -> None:
        try:
            if self.buses:
                for writing in self.writing.values():
                    writing.producer.abort()
                    self._end(writing, "aborted")
                self._look(self.buses[0])
        finally:
            for bus in self.buses:
                bus.close()

    def _go_on(self, fenced: Writing) -> None:
        if fenced.transaction is None or not fenced.transaction.sent:
            fenced.producer.abort()
            fenced.producer.begin()
            fenced.producer.send(self.topics[STATE], b"zombie", b"never", [("number", b"-1")])
        fenced.producer.commit()

    def _look(self, bus: Bus) -> None:
        settled = self.model.settled or self.place.kind == "embedded"
        for topic in self.topics:
            if settled:
                wanted = len(self.model.committed([topic]))
                self._until(lambda topic=topic, wanted=wanted: len(list(bus.read_all(topic))) >= wanted)
            found = list(bus.read_all(topic))
            self.model.check(topic, found, all_of_it=settled)
            if settled:
                self.model.check_seen(topic, found)
        for group in GROUPS if settled else ():
            kept = self.model.groups.get(group, {})
            name = self.names[group]
            self._until(lambda kept=kept, name=name: bus.group_offsets(name, self.topics) == kept)

    def _until(self, holds: Any) -> None:
        """On Kafka a commit is seen some milliseconds after it, on the embedded bus at once."""
        if self.place.kind == "embedded":
            assert holds()
        else:
            wait_until(holds)

    def _poll(self, group: str, most: int) -> bool:
        consumer, member = self.reading[group]
        found = consumer.poll(timeout_seconds=0.05, max_records=most)
        assert len(found) <= most
        self.model.read(member, found)
        return True

    def _positions(self, consumer: Consumer, member: Member) -> Mapping[TopicPartition, int]:
        for tp in member.at:
            self.model.passed(member, tp, consumer.position(tp))
        return dict(member.at)

    def _one_that_reads(self, group: str) -> str:
        return group if group in self.reading else next(iter(self.reading))

    def _partitions(self) -> list[TopicPartition]:
        return [
            TopicPartition(t, n)
            for t, count in zip(self.topics, PARTITIONS, strict=True)
            for n in range(count)
        ]

    def _begun(self, writer: str) -> Writing:
        writing = self.writing.get(writer) or Writing(self.buses[0].producer(self.names[writer]))
        if writing.transaction is None:
            writing.producer.begin()
            writing = Writing(writing.producer, self.model.begin(), time.monotonic())
        self.writing[writer] = writing
        return writing

    def _kept_for(self, group: str) -> list[tuple[Writing, Member]]:
        every = [*self.writing.values(), *self.fenced]
        return [(w, m) for w in every if w.transaction for m, _ in w.transaction.kept if m.group == group]

    def _end(self, writing: Writing, ending: Any) -> None:
        if writing.transaction is not None:
            self.model.end(writing.transaction, ending)

    def _lost(self, writer: str, writing: Writing) -> None:
        """What ended a transaction passes only where it was open for too long."""
        assert writing.may_be_lost
        self._end(writing, "unknown")
        self.writing[writer] = Writing(writing.producer)


_NUMBERS = itertools.count(1)
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""Add `Phase.shrink` to have a failure made short; that takes minutes."""


def run(machine: Any, **more: Any) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(deadline=None, print_blob=True, suppress_health_check=list(HealthCheck), **more),
    )


def test_the_embedded_bus_does_as_the_model(quick_path: Path):
    def machine() -> BusMachine:
        return BusMachine(Place("embedded", f"embedded://{quick_path}/{next(_NUMBERS)}.db"))

    run(machine, max_examples=80, stateful_step_count=40)


@pytest.mark.kafka
def test_the_kafka_bus_does_as_the_model(kafka_place: Place):
    examples, steps = (1, 10) if kafka_place.guarded else (6, 20)  # a connection costs many times as much
    run(lambda: BusMachine(kafka_place), max_examples=examples, stateful_step_count=steps)
