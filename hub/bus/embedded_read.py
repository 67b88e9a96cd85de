"""Reading the embedded bus: one connection of its own, never in the way of a writer."""

import json
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from hub.bus.contract import Offset, TopicPartition
from hub.bus.embedded_batch import BATCH_BYTES, Record, unpack_batch
from hub.bus.embedded_file import batch_id, connect, translated
from hub.bus.embedded_locks import WriteLock

FETCH_BYTES = 8 * 1024 * 1024
_BATCHES = 500


class Batch(NamedTuple):
    id: int
    first: int
    body: bytes


class Reader:
    """Answers from committed state only. Safe to share between threads."""

    def __init__(self, path: Path, lock: WriteLock) -> None:
        self._path = path
        self._lock = lock
        self._using = threading.Lock()
        self._connection = connect(path)

    def rows(self, sql: str, values: Iterable[Any] = ()) -> list[Any]:
        try:
            with self._using:
                return self._connection.execute(sql, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise translated(error, self._path) from error

    def data_version(self) -> int:
        """A number that changes with every commit by anyone."""
        return int(self.rows("PRAGMA data_version")[0][0])

    def ends(self, ids: Iterable[int]) -> dict[int, int]:
        """The offset after the last record of each partition, in one step of SQLite."""
        ((answer,),) = self.rows(
            "SELECT json_group_object(id, next_offset) FROM partitions"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        return {int(number): end for number, end in json.loads(answer).items()}

    def records(
        self, partition: TopicPartition, number: int, start: int, end: int, max_records: int
    ) -> tuple[list[Record], int]:
        """Read from `start`, not past `end`, until enough; and say from where to read on.

        All of a batch is given, so there may be more than `max_records`.
        """
        found: list[Record] = []
        room = FETCH_BYTES
        try:
            with self._using:
                cursor = self._connection.execute(
                    "SELECT first, body FROM batches WHERE id >= ? AND id < ? ORDER BY id",
                    (batch_id(number, start), batch_id(number, end)),
                )
                for first, body in cursor:
                    batch = unpack_batch(*partition, first, body)
                    found += batch if first >= start else [r for r in batch if r.offset >= start]
                    room -= len(body)
                    if len(found) >= max_records or room <= 0:
                        cursor.close()
                        return found, found[-1].offset + 1 if found else start
        except sqlite3.Error as error:
            raise translated(error, self._path) from error
        return found, end

    def batches(self, low: int, high: int) -> list[Batch]:
        """The rows from id `low` to below `high`, as far as about `BATCH_BYTES` go."""
        found: list[Batch] = []
        room = BATCH_BYTES
        try:
            with self._using:
                cursor = self._connection.execute(
                    f"SELECT id, first, body FROM batches WHERE id >= ? AND id < ? ORDER BY id"
                    f" LIMIT {_BATCHES}",
                    (low, high),
                )
                for row in cursor:
                    found.append(Batch._make(row))
                    room -= len(found[-1].body)
                    if room <= 0:
                        cursor.close()
                        break
        except sqlite3.Error as error:
            raise translated(error, self._path) from error
        return found

    def committed(self, group: str, ids: dict[int, TopicPartition]) -> dict[TopicPartition, Offset]:
        rows = self.rows(
            "SELECT partition, next_offset, metadata FROM offsets WHERE consumer_group = ?"
            " AND partition IN (SELECT value FROM json_each(?))",
            (group, json.dumps(list(ids))),
        )
        return {ids[number]: Offset(offset, metadata) for number, offset, metadata in rows}

    def close(self) -> None:
        with self._using, self._lock.to_close():
            self._connection.close()
