"""The bus, as the three loops see it. Implemented by `embedded.py` and `kafka.py`.

Both give the same answers; `tests/contract` runs one suite over both. A bus is durable:
what a commit has returned for survives a kill and a power cut. Records of one key keep
their order. Readers see committed records only.

Errors, from both: `TransientError` (try the whole transaction again), `FencedError`
(another process took over the same transactional id or group instance), `FatalError`,
`ConfigurationError` (no such topic, refused URL).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

Headers = Sequence[tuple[str, bytes]]

RECORD_LIMIT_BYTES = 8 * 1024 * 1024
"""A record's key, value and headers together may be this long; a topic must accept as much."""

METADATA_LIMIT_BYTES = 4096
"""The longest text kept beside a committed offset, in UTF-8."""

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What a topic is declared to be. Both buses keep to it; Kafka's word for each is named.

    `cleanup` (`cleanup.policy`): "compact" keeps the newest record of each key for ever,
    "delete" keeps every record until it is `retention_seconds` old (`retention.ms`; None:
    for ever; always None with "compact"). A superseded record goes no sooner than
    `compaction_lag_seconds` after its timestamp (`min.compaction.lag.ms`), a tombstone no
    sooner than `tombstone_seconds` (`delete.retention.ms`), so that a reader who was away
    for less misses nothing. Replication and `min_insync` (`min.insync.replicas`) above 1
    need Kafka. `max.message.bytes` is not declared: it must leave room for `RECORD_LIMIT_BYTES`.
    """

    name: str
    partitions: int
    cleanup: Literal["compact", "delete"]
    retention_seconds: int | None = None
    replication: int = 1
    min_insync: int = 1
    compaction_lag_seconds: int = 7 * DAY_SECONDS
    tombstone_seconds: int = 30 * DAY_SECONDS


class TopicPartition(NamedTuple):
    topic: str
    partition: int


class Offset(NamedTuple):
    """The offset of the next record to read, and up to 4 KiB of text kept beside it."""

    offset: int
    metadata: str = ""


class Received(Protocol):
    """A record as read from the bus. `timestamp` is in milliseconds since 1970 UTC."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Producer(Protocol):
    """Sends in transactions. Making one fences any older producer of the same transactional id."""

    def begin(self) -> None:
        """Open a transaction. One at a time."""
        ...

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
        """Add a record to the open transaction; nobody sees it before the commit.

        Without `partition`, Java's default partitioner (murmur2 of the key) decides.
        Without `timestamp` (milliseconds since 1970 UTC), it is the time of sending; retention
        counts from it. A record above `RECORD_LIMIT_BYTES`, without a key on a compacted topic, or
        with neither key nor value is refused with `BadRecordError`; the transaction stays open.
        An unknown topic is a `ConfigurationError` that names `alliance-hub topics apply`.
        """
        ...

    def keep_offsets(self, consumer: "Consumer", offsets: Mapping[TopicPartition, Offset]) -> None:
        """Commit these consumed offsets for the consumer's group together with the transaction."""
        ...

    def commit(self) -> None:
        """Make the transaction durable and visible. All of it or none; returns when it is durable.

        On Kafka readers, and `end_offsets`, come to see it some milliseconds later.
        After a `TransientError` the transaction is closed, and whether it was committed is not
        known: read back what is committed (offsets, positions) before doing the work again.
        """
        ...

    def abort(self) -> None:
        """Drop the open transaction: nothing of it is ever visible."""
        ...

    def close(self) -> None: ...


class Consumer(Protocol):
    """Reads as a member of a group, or, without a group, everything from the beginning."""

    def poll(self, *, timeout_seconds: float, max_records: int) -> list[Received]:
        """Return the next records, in order within each partition; empty when none came in time."""
        ...

    def assignment(self) -> frozenset[TopicPartition]: ...

    def position(self, partition: TopicPartition) -> int:
        """The offset after everything read so far, past any gap that holds no records."""
        ...

    def committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Offset | None]:
        """What this consumer's group has committed; None where it never did."""
        ...

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from `offset`. Only for a partition assigned to this consumer."""
        ...

    def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None:
        """Commit offsets outside a transaction (the view does, for lag tools; its truth is its store)."""
        ...

    def close(self) -> None: ...


class Bus(Protocol):
    """One bus, picked by URL with `hub.bus.open_bus`."""

    @property
    def url(self) -> str:
        """The URL with any secret masked."""
        ...

    def producer(self, transactional_id: str) -> Producer: ...

    def consumer(
        self,
        topics: Sequence[str],
        *,
        group: str | None,
        instance: str | None = None,
        on_assigned: Callable[["Consumer", frozenset[TopicPartition]], None] | None = None,
    ) -> Consumer:
        """Join `group` (stable member identity `instance`), or read all from the beginning if None.

        `on_assigned` is called within `poll`, before the first record of newly assigned
        partitions, and may seek. The embedded bus refuses a second member with `FencedError`.
        """
        ...

    def read_all(self, topic: str) -> Iterator[Received]:
        """Every committed record of a topic as of this call, oldest first within a partition."""
        ...

    def partitions(self, topic: str) -> int: ...

    def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Make those that are missing; those present are left as they are."""
        ...

    def alter_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Give present topics the declared `cleanup`, times and `min_insync`.

        Never partitions or replication: another count of partitions would move keys.
        """
        ...

    def describe_topics(self) -> dict[str, TopicSpec]:
        """What every topic is now, by name, the bus's own internal topics left out."""
        ...

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """Which topic each of these is: one of the same name, made anew or elsewhere, has another id.

        A topic that there is not is absent, and so is one of a Kafka before 2.8, which gave no ids.
        """
        ...

    def end_offsets(self, topics: Sequence[str], *, and_open: bool = False) -> dict[TopicPartition, int]:
        """The offset after the last committed record (or marker) of every partition.

        An open transaction holds the end back, even for what others have committed behind it;
        `and_open` counts open ones too, so that nothing committed by now lies beyond.
        """
        ...

    def group_offsets(self, group: str, topics: Sequence[str]) -> dict[TopicPartition, Offset]:
        """What a group has committed, without joining it; partitions never committed are absent."""
        ...

    def group_members(self, group: str) -> list[str]:
        """Who is in a group now, each in words; joins nothing and holds nobody up."""
        ...

    def reset_group(self, group: str, offsets: Mapping[TopicPartition, Offset]) -> None:
        """Set a stopped group's offsets; `FatalError` while it has members."""
        ...

    def close(self) -> None: ...
