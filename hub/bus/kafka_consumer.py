"""Reading from Kafka as a member of a group, or as nobody in particular."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, cast

import kafka.errors as told
from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka import TopicPartition as KafkaPartition
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from hub.bus.contract import METADATA_LIMIT_BYTES, Consumer, Offset, Received, TopicPartition
from hub.bus.kafka_admin import KafkaAdmin, kafka_offsets
from hub.bus.kafka_connect import connect, within
from hub.bus.kafka_errors import translate, translated
from hub.errors import ConfigurationError, FatalError, HubError, TransientError

OnAssigned = Callable[[Consumer, frozenset[TopicPartition]], None]

SLICE_MS = 100
"""Within `poll`, how soon a new assignment is noticed."""

_JOIN_SECONDS = 30
"""After so long outside its group a member says so, for `poll` alone would look like having nothing to do."""

ANSWER_MS = 15_000
CLOSE_MS = 5_000

SETTINGS: Mapping[str, Any] = {
    "isolation_level": "read_committed",
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "allow_auto_create_topics": False,
    "session_timeout_ms": 10_000,
    "heartbeat_interval_ms": 1000,
    # A member that does not poll for so long is left behind; until then the others wait for it, and
    # a lost answer to a request to join is waited for.
    "max_poll_interval_ms": 60_000,
    # Eager: a member holds nothing while the group moves, so `assignment` is never half old.
    "partition_assignment_strategy": [RoundRobinPartitionAssignor],
    # A seek waits for the fetch under way, so an idle one must not take long.
    "fetch_max_wait_ms": 250,
    # What is fetched of a partition is read before the next one's turn: a force that catches up
    # keeps a quiet one waiting for so much of each of its partitions. Half of it costs a tenth more CPU.
    "max_partition_fetch_bytes": 1024 * 1024,
    "fetch_max_bytes": 16 * 1024 * 1024,
    "request_timeout_ms": 10_000,
    "retry_backoff_ms": 20,
    "metrics_enabled": False,
}


class _Assignments(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """What the group gave this member.

    Called on kafka-python's own thread, where a question to the broker would wait for itself;
    so this only notes, and `poll` tells.
    """

    def __init__(self, kafka: Any, *, hold: bool) -> None:
        self._kafka = kafka
        self._hold = hold
        self.assigned: frozenset[TopicPartition] = frozenset()
        self.member: Any = None
        self.outside_since = time.monotonic()
        self.news = False

    def on_partitions_revoked(self, _revoked: Collection[KafkaPartition]) -> None:
        self.assigned = frozenset()
        self.member, self.outside_since = None, time.monotonic()
        self.news = False

    def on_partitions_lost(self, lost: Collection[KafkaPartition]) -> None:
        self.on_partitions_revoked(lost)

    def on_partitions_assigned(self, assigned: Collection[KafkaPartition]) -> None:
        if self._hold:
            self._kafka.pause(*assigned)
        # The membership of now, not of a later commit: by then the partitions may be another's.
        self.member = self._kafka.group_metadata()
        self.assigned = frozenset(TopicPartition(*tp) for tp in assigned)
        self.news = self._hold and bool(assigned)


class KafkaBusConsumer:
    def __init__(
        self,
        topics: Sequence[str],
        admin: KafkaAdmin,
        group: str | None,
        instance: str | None,
        on_assigned: OnAssigned | None,
    ) -> None:
        self._admin = admin
        self._group = group
        self._instance = instance if group is not None else None
        self._on_assigned = on_assigned
        self._closed = False
        partitions = admin.all_partitions(topics)
        self._kafka = connect(
            KafkaConsumer, admin.address, group_id=group, group_instance_id=self._instance, **SETTINGS
        )
        self._assignments = _Assignments(self._kafka, hold=on_assigned is not None)
        if group is None:
            self._kafka.assign(partitions)
            self._assignments.on_partitions_assigned(partitions)
        else:
            self._subscribe(topics)

    def poll(self, *, timeout_seconds: float, max_records: int) -> list[Received]:
        self._refuse_closed()
        deadline = time.monotonic() + timeout_seconds
        left_ms = timeout_seconds * 1000
        while True:
            self._tell_assigned()
            try:
                batches = self._kafka.poll(timeout_ms=min(left_ms, SLICE_MS), max_records=max_records)
            except told.KafkaError as error:
                raise self._translated(error, "reading") from error
            if batches:
                first, *more = batches.values()
                for records in more:
                    first += records
                return cast("list[Received]", first)
            left_ms = (deadline - time.monotonic()) * 1000
            if left_ms <= 0 and not self._assignments.news:
                self._refuse_to_stay_outside()
                return []
            left_ms = max(left_ms, 0)

    def assignment(self) -> frozenset[TopicPartition]:
        return self._assignments.assigned

    def position(self, partition: TopicPartition) -> int:
        self._refuse_unassigned(partition)
        with translated("asking for a position", self._address):
            position = self._kafka.position(KafkaPartition(*partition), timeout_ms=ANSWER_MS)
        if position is None:
            raise TransientError(f"Kafka at {self._address} does not say where to read {partition}.")
        return int(position)

    def committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Offset | None]:
        """Waits for offsets that are in a transaction just now, so that none is read too early."""
        self._refuse_groupless()
        self._admin.settle()
        return {tp: self._committed(tp) for tp in partitions}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._refuse_unassigned(partition)
        self._kafka.seek(KafkaPartition(*partition), offset)

    def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None:
        self._refuse_closed()
        self._refuse_groupless()
        refuse_long_metadata(offsets)
        with translated(f"committing offsets of group '{self._group}'", self._address):
            self._kafka.commit(kafka_offsets(offsets), timeout_ms=ANSWER_MS)

    def member(self) -> Any:
        """The membership under which the partitions of now were assigned, for a transaction."""
        self._refuse_closed()
        self._refuse_groupless()
        if self._assignments.member is None:
            raise TransientError(f"group '{self._group}' is being divided anew; poll before committing.")
        return self._assignments.member

    def close(self) -> None:
        """Leave the group at once, so that another member takes over now and not in ten seconds."""
        if self._closed:
            return
        self._closed = True
        member = self._assignments.member
        try:
            self._kafka.close(autocommit=False, timeout_ms=CLOSE_MS)
            if member is not None and self._group is not None and self._instance is not None:
                leave = partial(self._admin.remove_member, self._group, member.member_id, self._instance)
                within(CLOSE_MS / 1000, leave)
        except (told.KafkaError, HubError, TimeoutError):
            return  # the broker is gone, and forgets this member when its session ends

    @property
    def _address(self) -> str:
        return str(self._admin.address)

    def _subscribe(self, topics: Sequence[str]) -> None:
        self._kafka.subscribe(list(topics), listener=self._assignments)
        try:
            # Else the first assignment is made before the partitions are known, and is empty.
            for topic in topics:
                self._kafka.partitions_for_topic(topic)
        except told.KafkaError as error:
            self.close()
            raise self._translated(error, "looking for partitions") from error

    def _tell_assigned(self) -> None:
        if self._assignments.news:
            self._assignments.news = False
            assigned = self._assignments.assigned
            if self._on_assigned is not None:
                self._on_assigned(self, assigned)
            self._kafka.resume(*(KafkaPartition(*tp) for tp in assigned))

    def _refuse_to_stay_outside(self) -> None:
        outside = time.monotonic() - self._assignments.outside_since
        if self._group is not None and self._assignments.member is None and outside > _JOIN_SECONDS:
            raise TransientError(
                f"group '{self._group}' on Kafka at {self._address} has given this member no partitions for"
                f" {outside:.0f} s: its coordinator does not answer, or another member holds it up."
            )

    def _committed(self, partition: TopicPartition) -> Offset | None:
        with translated(f"asking for offsets of group '{self._group}'", self._address):
            kept = self._kafka.committed(KafkaPartition(*partition), metadata=True, timeout_ms=ANSWER_MS)
        return None if kept is None else Offset(kept.offset, kept.metadata or "")

    def _translated(self, error: Exception, doing: str) -> HubError:
        return translate(error, f"{doing} as group '{self._group}'", self._address)

    def _refuse_unassigned(self, partition: TopicPartition) -> None:
        self._refuse_closed()
        if partition not in self._assignments.assigned:
            raise ConfigurationError(f"partition {partition} is not assigned to this consumer.")

    def _refuse_groupless(self) -> None:
        if self._group is None:
            raise FatalError("this consumer has joined no group, so it has no committed offsets.")

    def _refuse_closed(self) -> None:
        if self._closed:
            raise FatalError("this consumer is closed.")


def refuse_long_metadata(offsets: Mapping[TopicPartition, Offset]) -> None:
    for tp, kept in offsets.items():
        if len(kept.metadata.encode()) > METADATA_LIMIT_BYTES:
            raise FatalError(f"text beside the offset of {tp} is above {METADATA_LIMIT_BYTES} bytes.")
