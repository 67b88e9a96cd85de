"""`alliance-hub` without its guarantees, to measure what they cost: `python -m tests.bench.unguarded …`.

On Kafka the producer is idempotent and no more: no transactions, offsets committed by the consumer
once the records are with the broker, and readers that do not wait for commits. On SQLite, where
every write is in a transaction anyway, commits return before they are durable. Not for use.
"""

import functools
import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from kafka import KafkaProducer  # noqa: TID251  # what it is measured against

from hub.bus import kafka, kafka_consumer
from hub.bus.contract import Consumer, Offset, TopicPartition
from hub.bus.kafka_connect import connect
from hub.bus.kafka_producer import SETTINGS, KafkaBusProducer
from hub.cli.app import main

_PATIENCE_SECONDS = 15


class PlainProducer(KafkaBusProducer):
    """Each record counts by itself; the offsets follow."""

    def begin(self) -> None:
        self._sent = []
        self._offsets: list[tuple[Consumer, Mapping[TopicPartition, Offset]]] = []
        self._since = time.monotonic()

    def keep_offsets(self, consumer: Consumer, offsets: Mapping[TopicPartition, Offset]) -> None:
        self._offsets.append((consumer, offsets))

    def commit(self) -> None:
        self._kafka.flush(_PATIENCE_SECONDS)
        for sent in self._sent:
            if sent.exception is not None:
                raise sent.exception
        for consumer, offsets in self._offsets:
            consumer.commit(offsets)
        self._since = None

    def abort(self) -> None:
        self._since = None

    def _settle(self) -> None:
        if self._kafka is None:
            self._kafka = connect(KafkaProducer, self._admin.address, enable_idempotence=True, **SETTINGS)


class CarelessConnection(sqlite3.Connection):
    """Waits for no disk."""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        careless = sql.replace("synchronous = FULL", "synchronous = OFF")
        return super().execute(careless, *parameters)


if __name__ == "__main__":
    setattr(kafka, "KafkaBusProducer", PlainProducer)  # noqa: B010  # not exported
    kafka_consumer.SETTINGS = {**kafka_consumer.SETTINGS, "isolation_level": "read_uncommitted"}
    sqlite3.connect = functools.partial(sqlite3.connect, factory=CarelessConnection)  # type: ignore[assignment]
    main()
