"""Reading all that a Kafka topic holds, outside any group."""

import time
from collections.abc import Iterator, Mapping

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from hub.bus.contract import Received, TopicPartition
from hub.bus.kafka_connect import connect
from hub.bus.kafka_consumer import ANSWER_MS, CLOSE_MS, SETTINGS, SLICE_MS
from hub.bus.kafka_errors import translated
from hub.bus.kafka_url import KafkaAddress
from hub.errors import TransientError

_MOST_RECORDS = 1000


def read_to(address: KafkaAddress, ends: Mapping[TopicPartition, int]) -> Iterator[Received]:
    """Every committed record before `ends`."""
    kafka = connect(KafkaConsumer, address, group_id=None, **SETTINGS)
    try:
        kafka.assign([KafkaPartition(*tp) for tp in ends])
        left = dict(ends)
        patience = time.monotonic() + ANSWER_MS / 1000
        while left:
            with translated("reading", str(address)):
                batches = kafka.poll(timeout_ms=SLICE_MS, max_records=_MOST_RECORDS)
                at = {tp: kafka.position(KafkaPartition(*tp), timeout_ms=ANSWER_MS) for tp in left}
            for records in batches.values():
                yield from (r for r in records if r.offset < ends[TopicPartition(r.topic, r.partition)])
            moved = {tp: end for tp, end in left.items() if at[tp] is None or at[tp] < end}
            if batches or moved != left:
                patience = time.monotonic() + ANSWER_MS / 1000
            elif time.monotonic() > patience:
                raise TransientError(f"Kafka at {address} gives no more of {sorted(left)}.")
            left = moved
    finally:
        kafka.close(autocommit=False, timeout_ms=CLOSE_MS)
