"""Questions to the brokers and orders about topics and groups, over one shared connection."""

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar, cast

import kafka.errors as told
import tenacity
from kafka import IsolationLevel, KafkaAdminClient, OffsetSpec
from kafka import TopicPartition as KafkaPartition
from kafka.admin import ConfigResource, ConfigResourceType, MemberToRemove
from kafka.structs import OffsetAndMetadata

from hub.bus.contract import Offset, TopicPartition, TopicSpec
from hub.bus.kafka_connect import connect
from hub.bus.kafka_errors import ASK_FOR_RIGHTS, NOT_READY, translate, translated
from hub.bus.kafka_topics import creation, settings, spec_of
from hub.bus.kafka_url import KafkaAddress
from hub.errors import ConfigurationError, FatalError, FencedError, TransientError

T = TypeVar("T")

_ANSWER_MS = 10_000
_NO_ID = (None, uuid.UUID(int=0))


class Transaction(NamedTuple):
    """Who owns a transactional id: each new owner raises the epoch."""

    producer_id: int
    epoch: int
    state: str

    @property
    def settled(self) -> bool:
        return not self.state.startswith("Prepare")


class KafkaAdmin:
    def __init__(self, address: KafkaAddress) -> None:
        self.address = address
        self._connecting = threading.Lock()
        self._client: Any = None
        self._refused: tuple[float, TransientError] | None = None
        self._partitions: dict[str, int] = {}
        self.unsettled: set[Callable[[], None]] = set()

    def settle(self) -> None:
        """End what producers of this bus left open, so that what is read back stays true.

        One that was taken over has nothing open any more; its own user is told when it is next used.
        """
        for end in list(self.unsettled):
            with suppress(FencedError):
                end()

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has; that never changes, so it is asked once."""
        if topic not in self._partitions:
            told_of = self._ask("looking for topics", lambda c: c.describe_topics([topic]))[0]
            if told_of["error_code"] == told.UnknownTopicOrPartitionError.errno:
                raise ConfigurationError(
                    f"Kafka at {self.address} has no topic '{topic}'; make it: `alliance-hub topics apply`."
                )
            if told_of["error_code"] == told.TopicAuthorizationFailedError.errno:
                raise ConfigurationError(
                    f"Kafka at {self.address} says that we are not authorized to see topic '{topic}';"
                    f" {ASK_FOR_RIGHTS}."
                )
            if not told_of["partitions"]:
                raise TransientError(f"topic '{topic}' on Kafka at {self.address} is not ready.")
            self._partitions[topic] = len(told_of["partitions"])
        return self._partitions[topic]

    def compacted(self, topic: str) -> bool:
        """Whether a topic keeps the newest record of each key, and so takes none without a key."""
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        answer = self._ask("describing topics", lambda c: c.describe_configs([resource], config_filter="all"))
        return "compact" in answer["topic"][topic]["cleanup.policy"]["value"]

    def all_partitions(self, topics: Iterable[str]) -> list[KafkaPartition]:
        return [KafkaPartition(topic, n) for topic in topics for n in range(self.partitions(topic))]

    def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        present = self._ask("listing topics", lambda c: c.list_topics())
        wanted = {s.name: creation(s) for s in specs if s.name not in present}
        if not wanted:
            return
        try:
            self._ask("making topics", lambda c: c.create_topics(wanted))
        except FatalError as error:
            if not isinstance(error.__cause__, told.TopicAlreadyExistsError):
                raise
        self._ask("waiting for topics", lambda c: c.wait_for_topics(list(wanted)))

    def alter_topics(self, specs: Sequence[TopicSpec]) -> None:
        resources = [ConfigResource(ConfigResourceType.TOPIC, s.name, configs=settings(s)) for s in specs]
        if resources:
            self._ask("changing topics", lambda c: c.alter_configs(resources))

    def describe_topics(self) -> dict[str, TopicSpec]:
        topics = self._ask("describing topics", lambda c: c.describe_topics())
        ours = {topic["name"]: topic["partitions"] for topic in topics if not topic["is_internal"]}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in ours]
        if not resources:
            return {}
        answer = self._ask("describing topics", lambda c: c.describe_configs(resources, config_filter="all"))
        found = answer["topic"]
        if hidden := sorted(name for name in ours if not found.get(name)):
            raise ConfigurationError(
                f"Kafka at {self.address} says that we are not authorized to see how topics are set: "
                f"{', '.join(hidden)}; {ASK_FOR_RIGHTS}."
            )
        return {name: spec_of(name, partitions, found[name]) for name, partitions in ours.items()}

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        answer = self._ask("looking for topics", lambda c: c.describe_topics(topics))
        ids = {topic["name"]: topic["topic_id"] for topic in answer}
        return {name: str(each) for name, each in ids.items() if each not in _NO_ID}

    def end_offsets(self, topics: Iterable[str], *, and_open: bool = False) -> dict[TopicPartition, int]:
        """Where committed records end: an open transaction holds the end back, unless it is counted."""
        level = IsolationLevel.READ_UNCOMMITTED if and_open else IsolationLevel.READ_COMMITTED
        wanted = dict.fromkeys(self.all_partitions(topics), OffsetSpec.LATEST)
        ends = self._ask(
            "asking for end offsets",
            lambda c: c.list_partition_offsets(wanted, isolation_level=level),
        )
        return {TopicPartition(*tp): ends[tp].offset for tp in wanted}

    def group_offsets(self, group: str, topics: Sequence[str]) -> dict[TopicPartition, Offset]:
        wanted = self.all_partitions(topics)
        answer = self._ask("asking for a group's offsets", lambda c: c.list_group_offsets({group: wanted}))
        return {
            TopicPartition(*tp): Offset(kept.offset, kept.metadata or "")
            for tp, kept in answer[group].items()
            if kept.offset >= 0
        }

    def group_members(self, group: str) -> list[str]:
        """Each member's instance and host; none of a group that there is not."""
        found = self._ask("describing a group", lambda c: _described(c.describe_groups([group])[group]))
        named = ((m["group_instance_id"] or m["member_id"], m["client_host"]) for m in found["members"])
        return sorted(f"{name} at {host.removeprefix('/')}" for name, host in named)

    def reset_group(self, group: str, offsets: Mapping[TopicPartition, Offset]) -> None:
        wanted = kafka_offsets(offsets)
        answer = self._ask("setting a group's offsets", lambda c: c.alter_group_offsets(group, wanted))
        refused = {error for error in answer.values() if error is not told.NoError}
        if told.UnknownMemberIdError in refused:
            raise FatalError(f"group '{group}' on Kafka at {self.address} has members; stop them first.")
        for error in refused:
            raise translate(error(), f"setting the offsets of group '{group}'", str(self.address))

    def remove_member(self, group: str, member: str, instance: str) -> None:
        """Let a stable member leave at once, unless another process has taken over its identity."""
        leaving = MemberToRemove(member_id=member, group_instance_id=instance)
        self._ask("leaving a group", lambda c: c.remove_group_members(group, [leaving]))

    def transaction(self, transactional_id: str) -> Transaction:
        """Who owns the id, once nothing is being ended there."""
        ask = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda found: not found.settled),
            wait=tenacity.wait_exponential(0.001, max=0.05),
            stop=tenacity.stop_after_delay(_ANSWER_MS / 1000),
            retry_error_callback=lambda attempt: cast("tenacity.Future", attempt.outcome).result(),
        )
        found: Transaction = ask(self._transaction, transactional_id)
        return found

    def close(self) -> None:
        """Let the connection go. An attempt to make one that is under way is not waited for."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _transaction(self, transactional_id: str) -> Transaction:
        answer = self._ask("asking for a transaction", lambda c: c.describe_transactions([transactional_id]))
        found = answer[transactional_id]
        return Transaction(found.producer_id, found.producer_epoch, found.state.value)

    def _ask(self, doing: str, ask: Callable[[Any], T]) -> T:
        """Ask, again while the brokers are only not ready (a first group's topic is made on demand).

        Any number of threads may ask at once, for kafka-python's client answers each by itself: a
        coordinator that is slow for one force holds up no other.
        """
        patient = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(NOT_READY),
            wait=tenacity.wait_random_exponential(0.05, max=0.5),
            stop=tenacity.stop_after_delay(_ANSWER_MS / 1000),
            reraise=True,
        )
        with translated(doing, str(self.address)):
            return patient(ask, self._connected())

    def _connected(self) -> Any:
        """The one client. Who waited for an attempt that failed shares its outcome."""
        client, asked_at = self._client, time.monotonic()
        if client is not None:
            return client
        with self._connecting:
            if self._client is None:
                if self._refused is not None and self._refused[0] > asked_at:
                    raise TransientError(str(self._refused[1])) from self._refused[1]
                self._connect()
            return self._client

    def _connect(self) -> None:
        try:
            self._client = connect(
                KafkaAdminClient, self.address, request_timeout_ms=_ANSWER_MS, retry_backoff_ms=20
            )
        except TransientError as error:
            self._refused = time.monotonic(), error
            raise


def kafka_offsets(offsets: Mapping[TopicPartition, Offset]) -> dict[KafkaPartition, OffsetAndMetadata]:
    return {
        KafkaPartition(*tp): OffsetAndMetadata(kept.offset, kept.metadata, -1) for tp, kept in offsets.items()
    }


def _described(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """A group as described; kafka-python raises no error of it, but writes down its number."""
    number = re.match(r"\[Error (\d+)\]", found["error"] or "")
    error = told.for_code(int(number[1])) if number else told.NoError
    if error not in {told.NoError, told.GroupIdNotFoundError}:
        raise error(found["error"])
    return found
