"""The simple model of a bus that both implementations are held against.

It knows what was sent in which transaction and how each of them ended, what each group kept,
and what was seen. It does not know offsets, nor the order of transactions that were open at the
same time, for the contract leaves those to the bus; but what is seen once must stay so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from hub.bus.contract import Offset, Received, TopicPartition

MARK = "number"
"""The header by which a record is known again."""

Ending = Literal["open", "committed", "aborted", "unknown"]


class Sent(NamedTuple):
    number: int
    partition: TopicPartition
    key: bytes | None
    value: bytes | None
    timestamp: int

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        return [(MARK, b"%d" % self.number)]


class Seen(NamedTuple):
    """Someone read a partition from `start` to before `end`, and these records were all there was."""

    partition: TopicPartition
    start: int
    end: int
    numbers: tuple[int, ...]


@dataclass(eq=False)
class Member:
    """A consumer as the model sees it; `at` is the offset that it reads next."""

    group: str
    at: dict[TopicPartition, int]
    last: bool = True
    """Whether nobody joined, and nobody set the offsets, after it."""
    left: bool = False


@dataclass(eq=False)
class Transaction:
    began: int
    sent: list[Sent] = field(default_factory=list)
    kept: list[tuple[Member, Mapping[TopicPartition, Offset]]] = field(default_factory=list)
    ended: int = 0
    ending: Ending = "open"


@dataclass
class Model:
    transactions: list[Transaction] = field(default_factory=list)
    groups: dict[str, dict[TopicPartition, Offset]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    ends: list[tuple[TopicPartition, int, frozenset[int]]] = field(default_factory=list)
    """Ends that were told to count everything, and the numbers that were committed by then."""
    places: dict[tuple[TopicPartition, int], int] = field(default_factory=dict)
    """The number of the record at each offset seen, which must never change."""
    moment: int = 0
    count: int = 0

    def next_moment(self) -> int:
        self.moment += 1
        return self.moment

    def begin(self) -> Transaction:
        self.transactions.append(Transaction(self.next_moment()))
        return self.transactions[-1]

    def end(self, transaction: Transaction, ending: Ending) -> None:
        transaction.ending, transaction.ended = ending, self.next_moment()
        if ending == "committed":
            self._keep(transaction)

    def number(self) -> int:
        self.count += 1
        return self.count

    @property
    def settled(self) -> bool:
        """Whether no transaction is open, so that all that is committed can be seen."""
        return all(transaction.ending != "open" for transaction in self.transactions)

    def committed(self, topics: Iterable[str]) -> set[int]:
        wanted = set(topics)
        done = [t for t in self.transactions if t.ending == "committed"]
        return {sent.number for t in done for sent in t.sent if sent.partition.topic in wanted}

    def check(self, topic: str, records: Sequence[Received], *, all_of_it: bool) -> None:
        """These are the records of a topic: the committed ones, whole, and in an order that may be."""
        self._note(records)
        by_number = {s.number: (s, t) for t in self.transactions for s in t.sent}
        found = [by_number[number_of(record)] for record in records]
        for record, (sent, _) in zip(records, found, strict=True):
            assert as_sent(record) == sent
        if all_of_it:
            self._find_out(topic, {sent.number for sent, _ in found})
        numbers = [sent.number for sent, _ in found]
        assert len(set(numbers)) == len(numbers), "a record is there twice"
        committed = self.committed([topic])
        assert set(numbers) == committed if all_of_it else set(numbers) <= committed
        for partition in {sent.partition for sent, _ in found}:
            _check_order([(s, t) for s, t in found if s.partition == partition])

    def check_seen(self, topic: str, records: Sequence[Received]) -> None:
        """What was read piece by piece is what lies in the topic, nothing left out and nothing twice."""
        lies = {(TopicPartition(r.topic, r.partition), r.offset): number_of(r) for r in records}
        for partition, start, end, numbers in self.seen:
            if partition.topic == topic:
                between = [n for (tp, at), n in sorted(lies.items()) if tp == partition and start <= at < end]
                assert tuple(between) == numbers, f"{partition} from {start} to {end}"
        for partition, end, committed in self.ends:
            if partition.topic == topic:
                beyond = {n for (tp, at), n in lies.items() if tp == partition and at >= end}
                assert not beyond & committed, f"committed records of {partition} lay beyond its end {end}"

    def read(self, member: Member, records: Sequence[Received]) -> None:
        """A member was given these records."""
        self._note(records)
        for partition in {TopicPartition(r.topic, r.partition) for r in records}:
            mine = [r for r in records if (r.topic, r.partition) == partition]
            end = mine[-1].offset + 1
            numbers = tuple(number_of(r) for r in mine)
            self.seen.append(Seen(partition, member.at[partition], end, numbers))
            member.at[partition] = end

    def passed(self, member: Member, partition: TopicPartition, position: int) -> None:
        """A member says that it has read up to there."""
        assert position >= member.at[partition]
        self.seen.append(Seen(partition, member.at[partition], position, ()))
        member.at[partition] = position

    def _keep(self, transaction: Transaction) -> None:
        for member, offsets in transaction.kept:
            self.groups.setdefault(member.group, {}).update(offsets)

    def _note(self, records: Sequence[Received]) -> None:
        for record in records:
            place = TopicPartition(record.topic, record.partition), record.offset
            assert self.places.setdefault(place, number_of(record)) == number_of(record)

    def _find_out(self, topic: str, found: set[int]) -> None:
        """Whether transactions of which it was not known were committed: all of each, or nothing."""
        for transaction in self.transactions:
            mine = {sent.number for sent in transaction.sent if sent.partition.topic == topic}
            if transaction.ending == "unknown" and mine:
                assert not mine & found or mine <= found, "a transaction was torn"
                transaction.ending = "committed" if mine & found else "aborted"
                if transaction.ending == "committed":
                    self._keep(transaction)


def _check_order(found: Sequence[tuple[Sent, Transaction]]) -> None:
    """Records of a partition stand as sent, and behind those of transactions that had ended before."""
    last: dict[int, int] = {}
    newest_began = 0
    for sent, transaction in found:
        assert sent.number > last.get(id(transaction), 0), "records of one transaction changed places"
        assert transaction.ended > newest_began, "a transaction stands behind one that began after its end"
        last[id(transaction)] = sent.number
        newest_began = max(newest_began, transaction.began)


def number_of(record: Received) -> int:
    return int(dict(record.headers)[MARK])


def as_sent(record: Received) -> Sent:
    partition = TopicPartition(record.topic, record.partition)
    return Sent(number_of(record), partition, record.key, record.value, record.timestamp)
