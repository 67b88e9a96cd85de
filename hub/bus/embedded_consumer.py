"""Reading the embedded bus as the one member of a group, or as nobody in particular."""

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hub.bus.contract import METADATA_LIMIT_BYTES, Consumer, Offset, Received, TopicPartition
from hub.bus.embedded_batch import Record
from hub.bus.embedded_commit import Commits
from hub.bus.embedded_locks import FileLock
from hub.bus.embedded_read import Reader
from hub.bus.embedded_signal import Signal
from hub.errors import ConfigurationError, FatalError, FencedError

OnAssigned = Callable[[Consumer, frozenset[TopicPartition]], None]

_LOOK_SECONDS = 0.01
"""How often a waiting reader looks whether another process has committed."""


@dataclass(frozen=True, slots=True)
class Membership:
    """A consumer's place in its group, good while `generation` is the group's newest."""

    group: str
    generation: int
    lock: FileLock

    def check(self, connection: sqlite3.Connection) -> None:
        sql = "SELECT generation FROM members WHERE consumer_group = ?"
        if connection.execute(sql, (self.group,)).fetchall() != [(self.generation,)]:
            raise FencedError(f"another consumer has taken over group '{self.group}'; this one must stop.")


@dataclass(frozen=True, slots=True)
class OffsetCommit:
    membership: Membership
    rows: Sequence[tuple[str, int, int, str]]

    def write(self, connection: sqlite3.Connection) -> None:
        self.membership.check(connection)
        write_offsets(connection, self.rows)


def write_offsets(connection: sqlite3.Connection, rows: Sequence[tuple[str, int, int, str]]) -> None:
    """`rows`: group, partition's id, next offset, metadata."""
    connection.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?, ?)", rows)


class EmbeddedConsumer:
    """See the contract. Holds a connection of its own, so that its reading disturbs nobody."""

    def __init__(
        self,
        partitions: Mapping[TopicPartition, int],
        reader: Reader,
        commits: Commits,
        signal: Signal,
        membership: Membership | None,
        on_assigned: OnAssigned | None,
        on_close: Callable[["EmbeddedConsumer"], None],
    ) -> None:
        self._ids = dict(partitions)
        self._reader = reader
        self._commits = commits
        self._signal = signal
        self._membership = membership
        self._on_assigned = on_assigned
        self._on_close = on_close
        self._announced = False
        self._closed = False
        self._turn = deque(self._ids)
        self._read: deque[tuple[TopicPartition, list[Record]]] = deque()
        self._seen_version: int | None = None
        kept = self.committed(list(self._ids)) if membership else {}
        self._next = {tp: offset.offset if (offset := kept.get(tp)) else 0 for tp in self._ids}

    def poll(self, *, timeout_seconds: float, max_records: int) -> list[Received]:
        self._refuse_closed()
        if not self._announced:
            self._announced = True
            if self._on_assigned is not None:
                self._on_assigned(self, self.assignment())
        deadline = time.monotonic() + timeout_seconds
        while True:
            heard = self._signal.count
            if self._read or self._fetch(max_records):
                return self._take(max_records)
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return []
            self._signal.wait(heard, min(remaining, _LOOK_SECONDS))

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._ids)

    def position(self, partition: TopicPartition) -> int:
        self._assigned(partition)
        return next(
            (records[0].offset for tp, records in self._read if tp == partition), self._next[partition]
        )

    def committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Offset | None]:
        group = self._member().group
        kept = self._reader.committed(group, {self._assigned(tp): tp for tp in partitions})
        return {tp: kept.get(tp) for tp in partitions}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._assigned(partition)
        self._read = deque((tp, records) for tp, records in self._read if tp != partition)
        self._next[partition] = offset
        self._seen_version = None

    def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None:
        self._commits.run(self.offset_commit(offsets).write)

    def offset_commit(self, offsets: Mapping[TopicPartition, Offset]) -> OffsetCommit:
        """What a transaction must write to keep these offsets for the group."""
        self._refuse_closed()
        membership = self._member()
        for tp, offset in offsets.items():
            if len(offset.metadata.encode()) > METADATA_LIMIT_BYTES:
                raise FatalError(f"text beside the offset of {tp} is above {METADATA_LIMIT_BYTES} bytes.")
        rows = [(membership.group, self._assigned(tp), o.offset, o.metadata) for tp, o in offsets.items()]
        return OffsetCommit(membership, rows)

    def close(self) -> None:
        """Leave the group, so that another may join at once."""
        if not self._closed:
            self._closed = True
            self._reader.close()
            if self._membership is not None:
                self._membership.lock.close()
            self._on_close(self)

    def _fetch(self, max_records: int) -> bool:
        """Read the partitions in turn until there are enough records; say whether there are any."""
        version = self._reader.data_version()
        if version == self._seen_version:
            return False
        ends = self._reader.ends(self._ids.values())
        wanted = max_records
        for _ in range(len(self._turn)):
            tp = self._turn[0]
            number = self._ids[tp]
            if self._next[tp] < ends[number]:
                records, self._next[tp] = self._reader.records(
                    tp, number, self._next[tp], ends[number], wanted
                )
                if records:
                    self._read.append((tp, records))
                    wanted -= len(records)
            self._turn.rotate(-1)  # also after enough: a long backlog holds up no other partition
            if wanted <= 0:
                return True
        self._seen_version = version  # everything is read, so nothing can come before the next commit
        return bool(self._read)

    def _take(self, max_records: int) -> list[Received]:
        taken: list[Received] = []
        while self._read and len(taken) < max_records:
            tp, records = self._read.popleft()
            room = max_records - len(taken)
            taken += records[:room]
            if len(records) > room:
                self._read.appendleft((tp, records[room:]))
        return taken

    def _member(self) -> Membership:
        if self._membership is None:
            raise FatalError("this consumer has joined no group, so it has no committed offsets.")
        return self._membership

    def _assigned(self, partition: TopicPartition) -> int:
        if partition not in self._ids:
            raise ConfigurationError(f"partition {partition} is not assigned to this consumer.")
        return self._ids[partition]

    def _refuse_closed(self) -> None:
        if self._closed:
            raise FatalError("this consumer is closed.")
