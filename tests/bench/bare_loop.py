"""The least that kafka-python takes: poll, send as it came with its headers, offsets; exactly once, no step.

`python -m tests.bench.bare_loop ADDRESS TOPIC TO` passes one topic's records on until it is
ended. By the public API and with the hub's settings, so that the hub's own share can be told.
"""

import json
import sys
from collections import Counter

from kafka import KafkaConsumer, KafkaProducer  # noqa: TID251  # what the normaliser is measured against
from kafka.structs import OffsetAndMetadata, TopicPartition  # noqa: TID251

from hub.bus import kafka_consumer, kafka_producer

GROUP = "bench.bare_loop"

_MOST_RECORDS = 1000


def pass_on(address: str, topic: str, to: str) -> None:
    """Pass on for ever; how many is kept beside the offsets, as the normaliser does."""
    settings = {**kafka_consumer.SETTINGS, "group_id": GROUP}
    consumer = KafkaConsumer(topic, bootstrap_servers=address, **settings)
    consumer.partitions_for_topic(topic)  # else the first assignment is empty
    producer = KafkaProducer(bootstrap_servers=address, transactional_id=GROUP, **kafka_producer.SETTINGS)
    producer.init_transactions()
    counts: Counter[TopicPartition] = Counter()
    while True:
        batches = consumer.poll(timeout_ms=100, max_records=_MOST_RECORDS)
        if not batches:
            continue
        producer.begin_transaction()
        offsets = {}
        for partition, records in batches.items():
            for record in records:
                producer.send(
                    to, record.value, record.key, record.headers, record.partition, record.timestamp
                )
            counts[partition] += len(records)
            kept = json.dumps({"normalised": counts[partition]})
            offsets[partition] = OffsetAndMetadata(records[-1].offset + 1, kept, -1)
        producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
        producer.commit_transaction()


if __name__ == "__main__":
    pass_on(*sys.argv[1:])
