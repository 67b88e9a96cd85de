"""A bus in memory that does, when it is asked to, what a real broker was seen to do.

Offsets have gaps where a transaction ended, as Kafka's have. A poll returns at once. Nothing
here is for several threads.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from hub.bus.contract import Consumer, Headers, Offset, Received, TopicPartition, TopicSpec
from hub.bus.murmur2 import partition_of
from hub.errors import ConfigurationError, FencedError, TransientError

Fault = Literal["applied", "dropped", "torn"]
"""What becomes of a commit that is not answered: all of it, nothing, or its records alone.

The last is an aborted batch that becomes visible, without the offsets or positions it was to keep.
"""

OnAssigned = Callable[[Consumer, frozenset[TopicPartition]], None]


class Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Message(NamedTuple):
    partition: TopicPartition
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int


class FaultyBus:
    """See the contract of the bus.

    Each of `faults` befalls the next commit of a transactional id (of a group, where offsets are
    told outside of a transaction) that begins with the word beside it.
    """

    url = "faulty:///"

    def __init__(self, specs: Sequence[TopicSpec]) -> None:
        self.counts = {spec.name: spec.partitions for spec in specs}
        self.logs: dict[TopicPartition, list[Record]] = defaultdict(list)
        self.ends: dict[TopicPartition, int] = defaultdict(int)
        self.groups: dict[str, dict[TopicPartition, Offset]] = defaultdict(dict)
        self.faults: list[tuple[str, Fault]] = []
        self.epochs: dict[str, int] = defaultdict(int)
        self.members: dict[str, list[FaultyConsumer]] = defaultdict(list)
        self._moments = itertools.count(1_478_000_000_000)

    def fault_of(self, who: str) -> Fault | None:
        place = next((n for n, (begins, _) in enumerate(self.faults) if who.startswith(begins)), None)
        return None if place is None else self.faults.pop(place)[1]

    def append(self, messages: Sequence[Message]) -> None:
        for partition, key, value, headers, timestamp in messages:
            record = Record(*partition, self.ends[partition], timestamp, key, value, headers)
            self.logs[partition].append(record)
            self.ends[partition] += 1
        for partition in {message.partition for message in messages}:
            self.ends[partition] += 1  # the end of the transaction takes an offset too

    def place(self, topic: str, key: bytes | None, partition: int | None) -> TopicPartition:
        if topic not in self.counts:
            raise ConfigurationError(f"no topic '{topic}'")
        return TopicPartition(
            topic, partition_of(key or b"", self.counts[topic]) if partition is None else partition
        )

    def now(self) -> int:
        return next(self._moments)

    def producer(self, transactional_id: str) -> "FaultyProducer":
        self.epochs[transactional_id] += 1
        return FaultyProducer(self, transactional_id, self.epochs[transactional_id])

    def consumer(
        self,
        topics: Sequence[str],
        *,
        group: str | None,
        instance: str | None = None,
        on_assigned: OnAssigned | None = None,
    ) -> "FaultyConsumer":
        made = FaultyConsumer(self, topics, group, instance, on_assigned)
        if group is not None:
            self.members[group].append(made)
            self.share(group)
        else:
            made.give(frozenset(self.all(topics)))
        return made

    def share(self, group: str) -> None:
        """Divide a group's partitions evenly; each member learns of it with its next poll."""
        members = self.members[group]
        for place, member in enumerate(members):
            member.give(frozenset(sorted(self.all(member.topics))[place :: len(members)]))

    def all(self, topics: Sequence[str]) -> list[TopicPartition]:
        return [TopicPartition(topic, n) for topic in topics for n in range(self.counts[topic])]

    def read_all(self, topic: str) -> Iterator[Received]:
        for partition in self.all([topic]):
            yield from list(self.logs[partition])

    def partitions(self, topic: str) -> int:
        return self.counts[topic]

    def end_offsets(self, topics: Sequence[str], *, and_open: bool = False) -> dict[TopicPartition, int]:
        del and_open
        return {partition: self.ends[partition] for partition in self.all(topics)}

    def group_offsets(self, group: str, topics: Sequence[str]) -> dict[TopicPartition, Offset]:
        return {tp: kept for tp, kept in self.groups[group].items() if tp.topic in topics}

    def group_members(self, group: str) -> list[str]:
        return [f"member {number}" for number, _ in enumerate(self.members[group])]

    def reset_group(self, group: str, offsets: Mapping[TopicPartition, Offset]) -> None:
        assert not self.members[group]
        self.groups[group].update(offsets)

    def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        raise AssertionError(f"topics are given to this bus when it is made, not {specs}")

    alter_topics = create_topics

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        return dict.fromkeys(topics, "the only one")

    def describe_topics(self) -> dict[str, TopicSpec]:
        raise AssertionError("nobody asks this bus")

    def close(self) -> None:
        pass


class FaultyProducer:
    def __init__(self, bus: FaultyBus, name: str, epoch: int) -> None:
        self._bus, self._name, self._epoch = bus, name, epoch
        self._messages: list[Message] = []
        self._offsets: list[tuple[FaultyConsumer, Mapping[TopicPartition, Offset]]] = []

    def begin(self) -> None:
        self._check()
        self._messages, self._offsets = [], []

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        *,
        partition: int | None = None,
        timestamp: int | None = None,
    ) -> None:
        place = self._bus.place(topic, key, partition)
        moment = self._bus.now() if timestamp is None else timestamp
        self._messages.append(Message(place, key, value, list(headers), moment))

    def keep_offsets(self, consumer: Consumer, offsets: Mapping[TopicPartition, Offset]) -> None:
        assert isinstance(consumer, FaultyConsumer)
        self._offsets.append((consumer, offsets))

    def commit(self) -> None:
        self._check()
        messages, offsets, self._messages, self._offsets = self._messages, self._offsets, [], []
        fault = self._bus.fault_of(self._name)
        if fault == "torn":
            messages = [each for each in messages if not each.partition.topic.endswith(".positions.v1")]
        if fault != "dropped":
            self._bus.append(messages)
        if fault in {None, "applied"}:
            for consumer, kept in offsets:
                assert consumer.group is not None
                self._bus.groups[consumer.group].update(kept)
        if fault is not None:
            raise TransientError(f"the commit of '{self._name}' was not answered")

    def abort(self) -> None:
        self._messages, self._offsets = [], []

    def close(self) -> None:
        self.abort()

    def _check(self) -> None:
        if self._bus.epochs[self._name] != self._epoch:
            raise FencedError(f"'{self._name}' was taken over")


class FaultyConsumer:
    """`again` is how many records of each partition the next poll gives once more."""

    def __init__(
        self,
        bus: FaultyBus,
        topics: Sequence[str],
        group: str | None,
        instance: str | None,
        on_assigned: OnAssigned | None,
    ) -> None:
        self.bus, self.topics, self.group, self.instance = bus, topics, group, instance
        self.again = 0
        self._on_assigned = on_assigned
        self._given: frozenset[TopicPartition] | None = None
        self._next: dict[TopicPartition, int] = {}

    def give(self, partitions: frozenset[TopicPartition]) -> None:
        self._given = partitions

    def poll(self, *, timeout_seconds: float, max_records: int) -> list[Received]:
        del timeout_seconds
        self._take_what_was_given()
        again, self.again = self.again, 0
        found: list[Received] = []
        for partition in sorted(self._next):
            log = self.bus.logs[partition]
            first = next((n for n, r in enumerate(log) if r.offset >= self._next[partition]), len(log))
            taken = log[max(0, first - again) : first + max_records - len(found)]
            found += taken
            if taken:
                self._next[partition] = max(self._next[partition], taken[-1].offset + 1)
            if (taken and taken[-1] is log[-1]) or (not taken and first == len(log)):
                self._next[partition] = max(self._next[partition], self.bus.ends[partition])
        return found

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._next)

    def position(self, partition: TopicPartition) -> int:
        if partition not in self._next:
            raise ConfigurationError(f"{partition} is not assigned")
        return self._next[partition]

    def committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Offset | None]:
        assert self.group is not None
        return {partition: self.bus.groups[self.group].get(partition) for partition in partitions}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.position(partition)
        self._next[partition] = offset

    def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None:
        assert self.group is not None
        fault = self.bus.fault_of(self.group)
        if fault in {None, "applied"}:
            self.bus.groups[self.group].update(offsets)
        if fault is not None:
            raise TransientError(f"the offsets of group '{self.group}' were not answered")

    def close(self) -> None:
        if self.group is not None and self in self.bus.members[self.group]:
            self.bus.members[self.group].remove(self)
            self.bus.share(self.group)

    def _take_what_was_given(self) -> None:
        if self._given is None:
            return
        given, self._given = self._given, None
        kept = self.bus.groups[self.group] if self.group is not None else {}
        self._next = {tp: kept[tp].offset if tp in kept else 0 for tp in given}
        if self._on_assigned is not None:
            self._on_assigned(self, given)
