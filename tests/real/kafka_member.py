"""A member of a group that copies records as the normaliser does, and what several tests of it share."""

import threading
import uuid
from collections import Counter

from hub.bus import open_bus
from hub.bus.contract import Bus, Offset, Producer, TopicSpec
from hub.errors import HubError, TransientError

PARTITIONS = 4


class Member(threading.Thread):
    """Polls, sends, keeps the offsets and commits, until `stop` is set."""

    def __init__(self, url, group, source, out, instance):
        super().__init__(daemon=True)
        self.bus = open_bus(url)
        self.producer = self.bus.producer(f"{group}.{instance}")
        self.consumer = self.bus.consumer([source], group=group, instance=instance)
        self.out = out
        self.stop = threading.Event()
        self.copied = 0
        self.error: HubError | None = None

    def run(self):
        try:
            while not self.stop.is_set():
                try:
                    self.step()
                except TransientError:
                    self.rewind()
        except HubError as error:
            self.error = error
        finally:
            self.consumer.close()
            self.producer.close()
            self.bus.close()

    def step(self):
        records = self.consumer.poll(timeout_seconds=0.1, max_records=20)
        if not records:
            return
        self.producer.begin()
        for record in records:
            self.producer.send(self.out, record.key, record.value, partition=record.partition)
        positions = {tp: Offset(self.consumer.position(tp)) for tp in self.consumer.assignment()}
        self.producer.keep_offsets(self.consumer, positions)
        self.producer.commit()
        self.copied += len(records)

    def rewind(self):
        """Read back what is committed, as soon as that can be known."""
        while not self.stop.is_set():
            try:
                self.producer.abort()
                for tp, kept in self.consumer.committed(sorted(self.consumer.assignment())).items():
                    self.consumer.seek(tp, kept.offset if kept else 0)
            except TransientError:
                continue
            return


def fill(bus: Bus, records: int) -> tuple[str, str]:
    """Make a source and an output, and fill the source with numbers."""
    source, out = f"source.{uuid.uuid4().hex}", f"out.{uuid.uuid4().hex}"
    bus.create_topics([TopicSpec(name, PARTITIONS, "delete") for name in (source, out)])
    producer = bus.producer(f"writer.{uuid.uuid4().hex}")
    write(producer, source, range(records))
    producer.close()
    return source, out


def write(producer: Producer, source: str, numbers: range) -> None:
    """Write numbers, evenly over the partitions, in one transaction."""
    producer.begin()
    for number in numbers:
        producer.send(source, b"key", b"%d" % number, partition=number % PARTITIONS)
    producer.commit()


class Writer(threading.Thread):
    """Writes numbers to a source until the block ends, so that there is always something to copy."""

    def __init__(self, bus: Bus, source: str) -> None:
        super().__init__(daemon=True)
        self._producer = bus.producer(f"writer.{uuid.uuid4().hex}")
        self._source = source
        self._stop_it = threading.Event()
        self.written = 0

    def run(self):
        while not self._stop_it.wait(0.01):
            write(self._producer, self._source, range(self.written, self.written + 20))
            self.written += 20

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self._stop_it.set()
        self.join()
        self._producer.close()


def assert_each_came_out_once_and_in_order(bus: Bus, out: str, records: int) -> None:
    copies = list(bus.read_all(out))
    assert Counter(record.value for record in copies).most_common(1)[0][1] == 1
    assert len(copies) == records
    for partition in range(PARTITIONS):
        numbers = [int(record.value or b"") for record in copies if record.partition == partition]
        assert numbers == sorted(numbers)
