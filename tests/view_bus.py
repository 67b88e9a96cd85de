"""A bus, a store and a view on them, driven step by step with a clock of the test's own."""

import contextlib

from tenacity import Retrying, retry_if_exception_type, stop_after_delay

from hub.bus import open_bus
from hub.bus.contract import Offset, TopicPartition
from hub.bus.topics import apply, specs
from hub.cli.parts import builtin_force_folders
from hub.domains import DOMAINS
from hub.errors import TransientError
from hub.forces import load_forces
from hub.metrics import Metrics
from hub.normalise.loop import GROUP as NORMALISERS
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from hub.view.loop import TOPICS, View
from hub.view.query import Query
from hub.view.store import open_store
from tests.view_records import T0

FORCES = load_forces(builtin_force_folders())
CODEC = Codec(load_registry(FORCES))
INCIDENTS, STAFF = (DOMAINS[name].topic for name in ("incident", "hr"))


class Stage:
    """The parts around a view. What a test writes to the bus stands for connectors and normaliser."""

    def __init__(self, bus_url, store_url, *, partitions=2):
        self.bus = open_bus(bus_url)
        apply(self.bus, specs(FORCES, partitions=partitions))
        self.store = open_store(store_url)
        self.metrics = Metrics()
        self.query = Query(self.store, CODEC)
        self.now = T0 / 1_000_000 + 10
        self._writer = self.bus.producer("test.writer")
        self._views = []

    def view(self, **more):
        made = View(self.bus, self.store, CODEC, FORCES, self.metrics, clock=lambda: self.now, **more)
        self._views.append(made)
        return made

    def publish(self, domain, *records):
        """Write records in one transaction, as the normaliser would."""
        encode = CODEC.encoder(DOMAINS[domain].topic)
        self.send(DOMAINS[domain].topic, *((r["id"].encode(), encode(r)) for r in records))

    def send(self, topic, *messages):
        """Write (key, value) pairs in one transaction."""
        self._writer.begin()
        for key, value in messages:
            self._writer.send(topic, key, value)
        self._writer.commit()

    def complete(self, force, domain, micros):
        """Write, as a connector does, that every change up to then is published."""
        topic = f"{force}.positions.v1"
        entry = {
            "force": force,
            "domain": domain,
            "system": "command",
            "name": "",
            "value": "null",
            "complete_to": micros,
            "counts": {},
            "at": micros,
        }
        self.send(topic, (f"{domain}/command/".encode(), CODEC.encoder(topic)(entry)))

    def normalised(self, topic):
        """Set the normalisers' offsets to the present end of a force's topic."""
        ends = self.bus.end_offsets([topic])
        offsets = {partition: Offset(end) for partition, end in ends.items()}
        # A Kafka that has just started may not yet know who looks after a group.
        patiently = Retrying(retry=retry_if_exception_type(TransientError), stop=stop_after_delay(30))
        patiently(self.bus.reset_group, NORMALISERS, offsets)

    def settle(self, view, *, rounds=50):
        """Step until the store has reached the ends of the alliance topics."""
        ends = self.bus.end_offsets(TOPICS)
        for _ in range(rounds):
            self.now += 1
            view.step()
            reached = view.reached()
            if all(reached.get(partition, 0) >= end for partition, end in ends.items()):
                return
        raise AssertionError(f"the view reached {reached}, not {ends}")

    def letters(self, topic):
        """The dead letters of an alliance topic, decoded."""
        decode = CODEC.decoder(f"{topic}.dlq")
        return [decode(record.value) for record in self.bus.read_all(f"{topic}.dlq")]

    def metric(self, name, **labels):
        return self.metrics.registry.get_sample_value(f"alliance_hub_{name}", labels)

    def counted(self, outcome, force="leicestershire", domain="incident"):
        return self.metric("records_total", stage="view", force=force, domain=domain, outcome=outcome)

    def partition_of(self, record):
        """The partition that a published record went to."""
        for received in self.bus.read_all(INCIDENTS):
            if received.key == record["id"].encode():
                return TopicPartition(received.topic, received.partition)
        raise AssertionError(f"{record['id']} was not published")

    def close(self):
        for view in self._views:
            view.close()
        self.store.close()
        self.bus.close()


@contextlib.contextmanager
def stage(bus_url, store_url, **more):
    made = Stage(bus_url, store_url, **more)
    try:
        yield made
    finally:
        made.close()
