"""Sending to Kafka in transactions.

A producer of kafka-python that an error has left unusable is made anew by the next `begin`,
or before committed state is read back, whichever comes first (see `kafka_identity.py`).
"""

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import Any

import kafka.errors as told

from hub.bus.contract import (
    RECORD_LIMIT_BYTES,
    Consumer,
    Headers,
    Offset,
    TopicPartition,
)
from hub.bus.kafka_admin import KafkaAdmin, kafka_offsets
from hub.bus.kafka_connect import stop, within
from hub.bus.kafka_consumer import KafkaBusConsumer, refuse_long_metadata
from hub.bus.kafka_errors import translate
from hub.bus.kafka_identity import Identity
from hub.bus.murmur2 import partition_of
from hub.errors import BadRecordError, ConfigurationError, FatalError, FencedError, HubError, TransientError
from hub.kill_points import reached

TRANSACTION_MS = 10_000
"""The broker drops a transaction that is open for longer."""

_PATIENCE_SECONDS = 15
"""How long a commit may take before it counts as failed; kafka-python itself would wait for ever."""

_CLOSE_SECONDS = 5

SETTINGS: Mapping[str, Any] = {
    "acks": "all",
    "request_timeout_ms": 10_000,
    "delivery_timeout_ms": 12_000,
    "max_block_ms": 10_000,
    # A transaction must wait until the one before is wholly written, and asks again this often:
    # kafka-python's own 100 ms is the p99 of a small transaction (measured; with 2 ms it is 10 ms).
    "retry_backoff_ms": 2,
    # A commit sends what lingers at once, so lingering costs no latency, and saves requests.
    "linger_ms": 50,
    "batch_size": 1024 * 1024,
    "max_request_size": RECORD_LIMIT_BYTES + 1024 * 1024,
    "metrics_enabled": False,
}


class KafkaBusProducer:
    def __init__(self, transactional_id: str, admin: KafkaAdmin) -> None:
        self._id = transactional_id
        self._admin = admin
        self._topics: dict[str, int] = {}
        self._sent: list[Any] = []
        self._kept: list[tuple[Any, Any]] = []
        self._since: float | None = None
        self._closed = False
        self._fenced: FencedError | None = None
        self._kafka: Any = None
        self._identity = Identity(transactional_id, admin)
        self._connecting = threading.Lock()
        self._settle()

    def begin(self) -> None:
        self._refuse_closed()
        if self._since is not None:
            raise FatalError(f"producer '{self._id}' has a transaction open; commit or abort it first.")
        self._settle()
        try:
            self._kafka.begin_transaction()
        except told.KafkaError as error:
            raise self._failed(error, "beginning a transaction") from error
        self._sent = []
        self._kept = []
        self._since = time.monotonic()

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
        since = self._since
        if since is None or time.monotonic() - since > TRANSACTION_MS / 1000:
            raise self._not_sendable()
        if topic not in self._topics:
            self._topics[topic] = self._admin.partitions(topic)
        if key is None:
            self._refuse_keyless(topic, value)
        elif partition is None:
            partition = partition_of(key, self._topics[topic])  # the library's own takes three times as long
        size = len(value or b"") + len(key or b"")
        if size > RECORD_LIMIT_BYTES // 2:
            _refuse_large(topic, size, headers)
        given = headers if isinstance(headers, list) else list(headers)
        try:
            self._sent.append(self._kafka.send(topic, value, key, given, partition, timestamp))
        except told.MessageSizeTooLargeError as error:
            raise translate(error, f"sending to topic '{topic}'", self._address) from error
        except told.KafkaError as error:
            raise self._failed(error, f"sending to topic '{topic}'") from error
        except ValueError as error:
            raise ConfigurationError(f"topic '{topic}' on Kafka at {self._address}: {error}.") from error

    def keep_offsets(self, consumer: Consumer, offsets: Mapping[TopicPartition, Offset]) -> None:
        """Keep them with the transaction (invariant 2); refused at the commit if the group moved on."""
        self._refuse_unopened()
        if not isinstance(consumer, KafkaBusConsumer):
            raise ConfigurationError(
                "offsets of a consumer of another bus cannot be kept in this one's transaction."
            )
        refuse_long_metadata(offsets)
        self._kept.append((kafka_offsets(offsets), consumer.member()))

    def commit(self) -> None:
        self._refuse_unopened()
        try:
            # Every record is with the broker before the transaction is ended (invariant 8).
            reached(8, "kafka.flush:before")
            self._kafka.flush(_PATIENCE_SECONDS)
            reached(8, "kafka.flush:after")
            for sent in self._sent:
                if sent.exception is not None:
                    raise sent.exception
            within(_PATIENCE_SECONDS, self._end)
        except (told.KafkaError, HubError, TimeoutError) as error:
            raise self._failed(error, "committing a transaction") from error
        self._since = None

    def abort(self) -> None:
        if self._since is not None:
            self._drop()

    def close(self) -> None:
        if not self._closed:
            self.abort()
            self._closed = True
            self._admin.unsettled.discard(self._settle)
            if self._kafka is not None:
                stop(self._kafka, seconds=_CLOSE_SECONDS)

    @property
    def _address(self) -> str:
        return str(self._admin.address)

    def _end(self) -> None:
        kafka = self._kafka  # one that is waited for no longer must not go on with its successor
        for offsets, member in self._kept:
            kafka.send_offsets_to_transaction(offsets, member)
        reached(8, "kafka.commit:before")
        kafka.commit_transaction()
        reached(8, "kafka.commit:after")
        # Kafka answers when the commit is durable; the records are visible a moment later.
        with contextlib.suppress(TransientError):
            self._admin.transaction(self._id)

    def _failed(self, error: Exception, doing: str) -> HubError:
        """Let go of the transaction and say what the error means."""
        if isinstance(error, TimeoutError):
            error = told.KafkaTimeoutError(f"no answer within {_PATIENCE_SECONDS} s")
        meaning = translate(error, f"{doing} of producer '{self._id}'", self._address)
        if isinstance(error, (told.CommitFailedError, HubError)):
            self._drop()  # only the group moved on; nothing is wrong with the producer
            return meaning
        self._leave_open()
        self._discard()
        if isinstance(meaning, FencedError):
            meaning = self._outlived_or(meaning)
        return meaning

    def _leave_open(self) -> None:
        """Let go of what is open. The brokers drop it when its time is over, be that much later."""
        if self._since is not None:
            self._identity.left_open = self._since + TRANSACTION_MS / 1000
        self._since = None

    def _outlived_or(self, fenced: FencedError) -> HubError:
        """Tell a transaction that outlived its time, which Kafka also calls fenced, from a takeover."""
        try:
            if not self._identity.outlived or not self._identity.still_ours():
                self._fenced = fenced
                return fenced
        except TransientError:
            pass  # the next connection asks again
        return TransientError(
            f"a transaction of '{self._id}' was open for more than {TRANSACTION_MS / 1000:.0f} s,"
            " and Kafka dropped it."
        )

    def _drop(self) -> None:
        """Abort what is open. Where that cannot be done in order, it is dropped with the producer."""
        self._leave_open()
        try:
            within(_PATIENCE_SECONDS, self._kafka.abort_transaction)
            self._identity.left_open = None
        except (told.KafkaError, TimeoutError):
            self._discard()

    def _discard(self) -> None:
        """Let the library's producer go, and have the id taken over before committed state is read again.

        Until then a commit that was under way may still come true.
        """
        old, self._kafka = self._kafka, None
        if old is not None:
            self._admin.unsettled.add(self._settle)
            stop(old)

    def _settle(self) -> None:
        with self._connecting:
            if self._kafka is None and not self._closed and self._fenced is None:
                try:
                    self._kafka = self._identity.take_over(transaction_timeout_ms=TRANSACTION_MS, **SETTINGS)
                except FencedError as error:
                    self._fenced = error
                    raise
        self._admin.unsettled.discard(self._settle)

    def _refuse_keyless(self, topic: str, value: bytes | None) -> None:
        """Refuse what Kafka would refuse, but before the good records of the transaction are lost."""
        if value is None:
            raise BadRecordError(f"a record for topic '{topic}' has neither key nor value.")
        if self._admin.compacted(topic):
            raise BadRecordError(
                f"topic '{topic}' keeps the newest record of each key, and this one has no key."
            )

    def _not_sendable(self) -> HubError:
        self._refuse_unopened()
        return self._failed(told.KafkaTimeoutError("it is open for too long"), "a transaction")

    def _refuse_unopened(self) -> None:
        if self._since is None:
            self._refuse_closed()
            raise FatalError(f"producer '{self._id}' has no transaction open; begin one first.")

    def _refuse_closed(self) -> None:
        if self._fenced is not None:
            raise self._fenced
        if self._closed:
            raise FatalError(f"producer '{self._id}' is closed.")


def _refuse_large(topic: str, size: int, headers: Headers) -> None:
    size += sum(len(name.encode()) + len(value) for name, value in headers)
    if size > RECORD_LIMIT_BYTES:
        raise BadRecordError(
            f"a record of {size} bytes for topic '{topic}' is above the limit of {RECORD_LIMIT_BYTES}."
        )
