"""A process that commits one transaction, opens another, says so, and waits to be killed."""

import signal
import sys

from hub.bus import open_bus
from hub.bus.contract import Offset, TopicPartition
from tests.contract.places import read


def main(url: str, source: str, out: str, group: str, name: str) -> None:
    bus = open_bus(url)
    consumer = bus.consumer([source], group=group, instance="writer")
    producer = bus.producer(name)
    read(consumer, 1, max_records=1)
    producer.begin()
    producer.send(out, b"key", b"committed")
    producer.keep_offsets(consumer, {TopicPartition(source, 0): Offset(1, "first")})
    producer.commit()
    producer.begin()
    for _ in range(100):
        producer.send(out, b"key", b"open" * 10_000)
    producer.keep_offsets(consumer, {TopicPartition(source, 0): Offset(2, "never")})
    sys.stdout.write("half way\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
