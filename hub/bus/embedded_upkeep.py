"""Retention and compaction of the embedded bus, a small piece after a commit now and then.

The same as is declared to Kafka: see `TopicSpec`. Offsets stay what they were; what goes
leaves a gap. A pass over a partition is worth its reading once half of it is new since the
last, or once its oldest new record has waited as long as a tombstone is kept.
"""

import sqlite3
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from hub.bus.contract import TopicPartition, TopicSpec
from hub.bus.embedded_batch import Entry, Record, pack_batch, split, unpack_batch
from hub.bus.embedded_commit import Commits
from hub.bus.embedded_file import batch_id
from hub.bus.embedded_locks import CLOSE_SECONDS, FileLock
from hub.bus.embedded_read import Reader
from hub.bus.embedded_topics import Topics
from hub.errors import HubError

EVERY_SECONDS = 60.0
_KEYS = 100_000
"""How many keys one pass compares: a bound on memory, not on what is compacted in the end."""
_WORTH_RECORDS = 1000
_ROWS = 500

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Part:
    """A partition and the instants, in milliseconds, up to which its records may go."""

    name: TopicPartition
    id: int
    next_offset: int
    live: int
    compacted_to: int
    superseded_before: float
    tombstones_before: float

    def key(self, offset: int) -> int:
        return batch_id(self.id, offset)


class Upkeep:
    def __init__(self, folder: Path, reader: Reader, commits: Commits, topics: Topics) -> None:
        self._lock = FileLock(folder / "upkeep")
        self._reader = reader
        self._commits = commits
        self._topics = topics
        self._busy = threading.Lock()
        self._pieces = self._round(None, eager=False)
        self._due = time.monotonic() + EVERY_SECONDS

    def after_commit(self) -> None:
        """Do a piece if one is due. Never fails the commit, which is done."""
        if time.monotonic() < self._due or not self._busy.acquire(blocking=False):
            return
        try:
            if next(self._pieces, self) is self:
                self._due = time.monotonic() + EVERY_SECONDS
                self._pieces = self._round(None, eager=False)
        except HubError as error:
            log.warning("upkeep of the bus put off", reason=str(error))
        finally:
            self._busy.release()

    def run(self, now: float) -> None:
        """Do all that may be done at `now`, worth it or not."""
        with self._busy:
            self._pieces.close()
            for _ in self._round(now, eager=True):
                pass

    def close(self) -> None:
        if self._busy.acquire(timeout=CLOSE_SECONDS):  # else a piece waits to be written
            self._pieces.close()
            self._lock.close()

    def _round(self, at: float | None, *, eager: bool) -> Generator[None, None, None]:
        if not self._lock.try_take():
            return  # another process is at it
        now = time.time() if at is None else at
        try:
            for topic in list(self._topics.all().values()):
                for number, part_id in enumerate(topic.ids):
                    part = self._part(topic.spec, TopicPartition(topic.name, number), part_id, now)
                    if topic.spec.cleanup == "compact":
                        yield from self._compact(part, eager=eager)
                    elif topic.spec.retention_seconds is not None:
                        yield from self._expire(part, (now - topic.spec.retention_seconds) * 1000)
                    yield
        finally:
            self._lock.drop()

    def _part(self, spec: TopicSpec, name: TopicPartition, number: int, now: float) -> _Part:
        sql = "SELECT next_offset, live, compacted_to FROM partitions WHERE id = ?"
        ((next_offset, live, compacted_to),) = self._reader.rows(sql, (number,))
        superseded = (now - spec.compaction_lag_seconds) * 1000
        tombstones = (now - spec.tombstone_seconds) * 1000
        return _Part(name, number, next_offset, live, compacted_to, superseded, tombstones)

    def _expire(self, part: _Part, before: float) -> Iterator[None]:
        """Delete from the oldest on, up to the first batch with a record that is young enough."""
        while True:
            rows = self._reader.rows(
                f"SELECT id, records, newest FROM batches WHERE id >= ? AND id < ? ORDER BY id LIMIT {_ROWS}",
                (part.key(0), part.key(part.next_offset)),
            )
            old = 0
            while old < len(rows) and rows[old][2] < before:
                old += 1
            if old:
                self._replace(part, rows[0][0], rows[old - 1][0], [], sum(row[1] for row in rows[:old]))
            if old < _ROWS:
                return
            yield

    def _compact(self, part: _Part, *, eager: bool) -> Iterator[None]:
        upto = self._dirty_end(part)
        dirty = upto - part.compacted_to
        below = part.live - (part.next_offset - upto)
        waited = dirty > 0 and self._first_dirty(part) < part.tombstones_before
        if not (eager or waited or (dirty >= _WORTH_RECORDS and dirty * 2 >= below)):
            return
        newest: dict[bytes, int] = {}
        at = part.compacted_to
        while at < upto and len(newest) < _KEYS:
            records, at = self._reader.records(part.name, part.id, at, upto, _ROWS)
            newest.update((record.key, record.offset) for record in records if record.key is not None)
            yield
        yield from self._rewrite(part, newest, at)
        self._commits.run(lambda connection: _set_compacted(connection, part.id, at))

    def _dirty_end(self, part: _Part) -> int:
        """The offset of the first record that is too young to be compacted."""
        rows = self._reader.rows(
            "SELECT first FROM batches WHERE id >= ? AND id < ? AND newest >= ? ORDER BY id LIMIT 1",
            (part.key(part.compacted_to), part.key(part.next_offset), part.superseded_before),
        )
        return max(part.compacted_to, int(rows[0][0])) if rows else part.next_offset

    def _first_dirty(self, part: _Part) -> float:
        rows = self._reader.rows(
            "SELECT newest FROM batches WHERE id >= ? AND id < ? ORDER BY id LIMIT 1",
            (part.key(part.compacted_to), part.key(part.next_offset)),
        )
        return float(rows[0][0]) if rows else float("inf")

    def _rewrite(self, part: _Part, newest: dict[bytes, int], upto: int) -> Iterator[None]:
        """Leave out what is superseded, and make one batch of several small ones."""
        at = part.key(0)
        while rows := self._reader.batches(at, part.key(upto)):
            at = rows[-1].id + 1
            records = [r for row in rows for r in unpack_batch(*part.name, row.first, row.body)]
            kept = [r for r in records if not _superseded(r, newest, part)]
            batches = [_row(part, entries) for entries in split(map(_entry, kept))]
            if len(kept) < len(records) or len(batches) * 2 < len(rows):
                self._replace(part, rows[0].id, rows[-1].id, batches, len(records) - len(kept))
            yield

    def _replace(
        self, part: _Part, first: int, last: int, rows: Sequence[tuple[object, ...]], gone: int
    ) -> None:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM batches WHERE id BETWEEN ? AND ?", (first, last))
            connection.executemany("INSERT INTO batches VALUES (?, ?, ?, ?, ?)", rows)
            connection.execute("UPDATE partitions SET live = live - ? WHERE id = ?", (gone, part.id))

        self._commits.run(write)


def _set_compacted(connection: sqlite3.Connection, number: int, offset: int) -> None:
    connection.execute("UPDATE partitions SET compacted_to = ? WHERE id = ?", (offset, number))


def _superseded(record: Record, newest: dict[bytes, int], part: _Part) -> bool:
    if record.key is None:
        return False
    later = newest.get(record.key, record.offset)
    expired = record.value is None and record.timestamp < part.tombstones_before
    return later > record.offset or expired


def _entry(record: Record) -> Entry:
    return Entry(record.offset, record.timestamp, record.key, record.value, record.packed_headers)


def _row(part: _Part, entries: Sequence[Entry]) -> tuple[object, ...]:
    newest = max(entry.timestamp for entry in entries)
    last, first = entries[-1].offset, entries[0].offset
    return part.key(last), first, len(entries), newest, pack_batch(entries)
