"""Sending to the embedded bus: a transaction is kept in memory and written by its commit."""

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from hub.bus.contract import (
    RECORD_LIMIT_BYTES,
    Consumer,
    Headers,
    Offset,
    TopicPartition,
)
from hub.bus.embedded_batch import Entry, pack_batch, pack_headers, split
from hub.bus.embedded_commit import Commits
from hub.bus.embedded_consumer import EmbeddedConsumer, OffsetCommit
from hub.bus.embedded_file import batch_id
from hub.bus.embedded_read import Reader
from hub.bus.embedded_topics import Topic, Topics
from hub.bus.murmur2 import partition_of
from hub.errors import BadRecordError, ConfigurationError, FatalError, FencedError
from hub.kill_points import reached


class Batch(NamedTuple):
    """A batch before it has offsets: `first` and `last` count from the partition's end."""

    partition: int
    first: int
    last: int
    records: int
    newest: int
    body: bytes


class EmbeddedProducer:
    def __init__(
        self,
        transactional_id: str,
        reader: Reader,
        commits: Commits,
        topics: Topics,
        after_commit: Callable[[], None],
    ) -> None:
        self._id = transactional_id
        self._reader = reader
        self._commits = commits
        self._topics = topics
        self._after_commit = after_commit
        self._entries: dict[int, list[Entry]] | None = None
        self._offsets: list[OffsetCommit] = []
        self._keyless = 0
        self._epoch = 0
        commits.run(self._fence_older)

    def begin(self) -> None:
        if self._entries is not None:
            raise FatalError(f"producer '{self._id}' has a transaction open; commit or abort it first.")
        self._check_epoch(
            self._reader.rows("SELECT epoch FROM producers WHERE transactional_id = ?", (self._id,))
        )
        self._entries = {}
        self._offsets = []

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
        entries = self._open()
        known = self._topics[topic]
        if partition is None:
            partition = self._choose(known, key)
        elif not 0 <= partition < len(known.ids):
            self._topics.id(TopicPartition(topic, partition))
        if key is None and value is None:
            raise BadRecordError(f"a record for topic '{topic}' has neither key nor value.")
        if key is None and known.spec.cleanup == "compact":
            raise BadRecordError(
                f"topic '{topic}' keeps the newest record of each key, and this one has no key."
            )
        packed = pack_headers(headers)
        size = len(packed) + len(key or b"") + len(value or b"")
        if size > RECORD_LIMIT_BYTES:
            raise BadRecordError(
                f"a record of {size} bytes for topic '{topic}' is above the limit of {RECORD_LIMIT_BYTES}."
            )
        if timestamp is None:
            timestamp = time.time_ns() // 1_000_000
        batch = entries.setdefault(known.ids[partition], [])
        batch.append(Entry(len(batch), timestamp, key, value, packed))

    def keep_offsets(self, consumer: Consumer, offsets: Mapping[TopicPartition, Offset]) -> None:
        """Keep them with the transaction (invariant 2)."""
        self._open()
        if not isinstance(consumer, EmbeddedConsumer):
            raise ConfigurationError(
                "offsets of a consumer of another bus cannot be kept in this one's transaction."
            )
        self._offsets.append(consumer.offset_commit(offsets))

    def commit(self) -> None:
        entries = self._open()
        batches = _batches(entries)
        sent = {number: len(part) for number, part in entries.items()}
        offsets = self._offsets
        self._entries = None

        def write(connection: sqlite3.Connection) -> None:
            sql = "SELECT epoch FROM producers WHERE transactional_id = ?"
            self._check_epoch(connection.execute(sql, (self._id,)).fetchall())
            reached(2, "embedded.offsets:before")
            for commit in offsets:
                commit.write(connection)
            reached(2, "embedded.offsets:after")
            if batches:
                reached(2, "embedded.records:before")
                _append(connection, batches, sent)
                reached(2, "embedded.records:after")

        self._commits.run(write)
        self._after_commit()

    def abort(self) -> None:
        self._entries = None

    def close(self) -> None:
        self._entries = None

    def _open(self) -> dict[int, list[Entry]]:
        if self._entries is None:
            raise FatalError(f"producer '{self._id}' has no transaction open; begin one first.")
        return self._entries

    def _choose(self, topic: Topic, key: bytes | None) -> int:
        if key is not None:
            return partition_of(key, len(topic.ids))
        self._keyless += 1
        return self._keyless % len(topic.ids)

    def _fence_older(self, connection: sqlite3.Connection) -> None:
        """Raise the epoch, so that an older producer of this id is refused from now on."""
        ((self._epoch,),) = connection.execute(
            "INSERT INTO producers VALUES (?, 1) ON CONFLICT DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
            (self._id,),
        ).fetchall()

    def _check_epoch(self, rows: Sequence[tuple[int]]) -> None:
        if list(rows) != [(self._epoch,)]:
            self._entries = None
            raise FencedError(
                f"a newer producer has taken over transactional id '{self._id}'; this one may write no more."
            )


def _batches(entries: Mapping[int, Sequence[Entry]]) -> list[Batch]:
    return [
        Batch(
            number,
            part[0].offset,
            part[-1].offset,
            len(part),
            max(e.timestamp for e in part),
            pack_batch(part),
        )
        for number, sent in entries.items()
        for part in split(sent)
    ]


def _append(connection: sqlite3.Connection, batches: Sequence[Batch], sent: Mapping[int, int]) -> None:
    """Give the records their offsets: dense, in the order sent, after all that are there."""
    numbers = json.dumps(sent)
    ((answer,),) = connection.execute(
        "SELECT json_group_object(id, next_offset) FROM partitions"
        " WHERE id IN (SELECT key FROM json_each(?))",
        (numbers,),
    ).fetchall()
    ends = {int(number): end for number, end in json.loads(answer).items()}
    connection.executemany(
        "INSERT INTO batches VALUES (?, ?, ?, ?, ?)",
        [
            (
                batch_id(b.partition, ends[b.partition] + b.last),
                ends[b.partition] + b.first,
                b.records,
                b.newest,
                b.body,
            )
            for b in batches
        ],
    )
    connection.execute(
        "UPDATE partitions SET next_offset = next_offset + sent.value, live = live + sent.value"
        " FROM json_each(?) sent WHERE partitions.id = sent.key",
        (numbers,),
    )
