"""The embedded bus: one SQLite file, for one machine, at `embedded:///path/to/bus.db`.

Durable (invariant 8), ordered per partition, and shared by any number of threads and
processes. Beside the file lies a folder of lock files, which the system drops when a
process dies: one for writing, one for each group that has its member.

    embedded.py            the bus of the contract: opens the parts and hands them out
    embedded_producer.py   transactions      embedded_commit.py   group commit
    embedded_consumer.py   polling, groups   embedded_read.py     reading committed state
    embedded_topics.py     topics            embedded_upkeep.py   retention and compaction
    embedded_batch.py      records in a row  embedded_file.py, _locks.py   the file and its guards
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from hub.bus.contract import Consumer, Offset, Received, TopicPartition, TopicSpec
from hub.bus.embedded_commit import Commits
from hub.bus.embedded_consumer import EmbeddedConsumer, Membership, write_offsets
from hub.bus.embedded_file import make_folder, prepare, refuse_network_disk
from hub.bus.embedded_locks import WriteLock, member_lock, take_membership
from hub.bus.embedded_producer import EmbeddedProducer
from hub.bus.embedded_read import Reader
from hub.bus.embedded_signal import Signal
from hub.bus.embedded_topics import Topics, alter, create, refuse_replication
from hub.bus.embedded_upkeep import Upkeep
from hub.errors import ConfigurationError, FatalError, HubError

_MOUNTS = Path("/proc/mounts")
_READ_ALL_RECORDS = 1000


class EmbeddedBus:
    """Opens the file, making it where there is none. `limit_mb` bounds its size."""

    def __init__(self, path: Path, *, limit_mb: int | None = None, mounts: Path = _MOUNTS) -> None:
        refuse_network_disk(path, mounts)
        self._path = path
        self._folder = Path(f"{path}.locks")
        make_folder(self._folder)
        self._write_lock = WriteLock(self._folder / "write")
        with self._write_lock.held():
            prepare(path)
            self._reader = Reader(path, self._write_lock)
        self._signal = Signal()
        self._commits = Commits(path, self._write_lock, self._signal.ring, limit_mb)
        self._topics = Topics(self._reader)
        self._upkeep = Upkeep(self._folder, self._reader, self._commits, self._topics)
        self._consumers: set[EmbeddedConsumer] = set()
        self._closed = False

    @property
    def url(self) -> str:
        return f"embedded://{quote(str(self._path))}"

    def producer(self, transactional_id: str) -> EmbeddedProducer:
        return EmbeddedProducer(
            transactional_id, self._reader, self._commits, self._topics, self._upkeep.after_commit
        )

    def consumer(
        self,
        topics: Sequence[str],
        *,
        group: str | None,
        instance: str | None = None,
        on_assigned: Callable[[Consumer, frozenset[TopicPartition]], None] | None = None,
    ) -> EmbeddedConsumer:
        partitions = self._partition_ids(topics)
        membership = None if group is None else self._join(group, instance)
        try:
            reader = Reader(self._path, self._write_lock)
            consumer = EmbeddedConsumer(
                partitions,
                reader,
                self._commits,
                self._signal,
                membership,
                on_assigned,
                self._consumers.discard,
            )
        except HubError:
            if membership is not None:
                membership.lock.close()  # else who tries again finds the place taken, by itself
            raise
        self._consumers.add(consumer)
        return consumer

    def read_all(self, topic: str) -> Iterator[Received]:
        ends = self._reader.ends(self._topics[topic].ids)
        for tp, number in self._partition_ids([topic]).items():
            at = 0
            while at < ends[number]:
                records, at = self._reader.records(tp, number, at, ends[number], _READ_ALL_RECORDS)
                yield from records

    def partitions(self, topic: str) -> int:
        return len(self._topics[topic].ids)

    def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        refuse_replication(specs)
        self._commits.run(lambda connection: create(connection, specs))

    def alter_topics(self, specs: Sequence[TopicSpec]) -> None:
        self._commits.run(lambda connection: alter(connection, specs))
        self._topics.all()

    def describe_topics(self) -> dict[str, TopicSpec]:
        return {name: topic.spec for name, topic in self._topics.all().items()}

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        ((file_id,),) = self._reader.rows("SELECT id FROM identity")
        return dict.fromkeys(self._topics.all().keys() & topics, file_id)

    def end_offsets(self, topics: Sequence[str], *, and_open: bool = False) -> dict[TopicPartition, int]:
        del and_open  # a record gets its offset at the commit, so an open transaction holds nothing back
        partitions = self._partition_ids(topics)
        ends = self._reader.ends(partitions.values())
        return {tp: ends[number] for tp, number in partitions.items()}

    def group_offsets(self, group: str, topics: Sequence[str]) -> dict[TopicPartition, Offset]:
        partitions = self._partition_ids(topics)
        return self._reader.committed(group, {number: tp for tp, number in partitions.items()})

    def group_members(self, group: str) -> list[str]:
        lock = member_lock(self._folder, group)
        try:
            return [] if lock.try_take() else [lock.read()]
        finally:
            lock.close()

    def reset_group(self, group: str, offsets: Mapping[TopicPartition, Offset]) -> None:
        rows = [(group, self._topics.id(tp), o.offset, o.metadata) for tp, o in offsets.items()]
        lock = member_lock(self._folder, group)

        def write(connection: sqlite3.Connection) -> None:
            write_offsets(connection, rows)
            # Else a member that left could still commit a transaction over what was set.
            connection.execute(
                "UPDATE members SET generation = generation + 1 WHERE consumer_group = ?", (group,)
            )

        try:
            if not lock.try_take():
                raise FatalError(f"group '{group}' has a member ({lock.read()}); stop it first.")
            self._commits.run(write)
        finally:
            lock.close()

    def maintain(self, now: float | None = None) -> None:
        """Expire and compact all that may go at `now`, at once. Commits do it little by little."""
        self._upkeep.run(time.time() if now is None else now)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for consumer in list(self._consumers):
            consumer.close()
        self._upkeep.close()
        self._commits.close()
        self._reader.close()
        self._write_lock.close()

    def _partition_ids(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        return {TopicPartition(t, n): number for t in topics for n, number in enumerate(self._topics[t].ids)}

    def _join(self, group: str, instance: str | None) -> Membership:
        lock = take_membership(self._folder, group, instance)
        generation = 0

        def count_up(connection: sqlite3.Connection) -> None:
            nonlocal generation
            ((generation,),) = connection.execute(
                "INSERT INTO members VALUES (?, 1)"
                " ON CONFLICT DO UPDATE SET generation = generation + 1 RETURNING generation",
                (group,),
            ).fetchall()

        try:
            self._commits.run(count_up)
        except HubError:
            lock.close()
            raise
        return Membership(group, generation, lock)


def open_embedded(url: str) -> EmbeddedBus:
    """Open the bus of an `embedded:///path?limit_mb=N` URL."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    limit = options.pop("limit_mb", None)
    if parts.netloc or not parts.path.startswith("/") or parts.path.endswith("/"):
        raise ConfigurationError(
            f"bus URL '{url}' must name a file by its whole path: embedded:///path/to/bus.db"
        )
    if options or not (limit is None or (limit.isascii() and limit.isdigit())):
        raise ConfigurationError(
            f"bus URL '{url}': the only option is limit_mb, a whole number of megabytes."
        )
    return EmbeddedBus(Path(unquote(parts.path)), limit_mb=None if limit is None else int(limit))
