"""A normaliser on an embedded bus: events written for it, run until it has caught up, looked at."""

import threading
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hub.bus import open_bus
from hub.bus.contract import Bus, Received, TopicPartition
from hub.bus.topics import apply, specs
from hub.domains import DOMAINS
from hub.events import Heading, event_id
from hub.forces import Feed, Force
from hub.metrics import Metrics
from hub.normalise.counts import Counts, read_counts
from hub.normalise.loop import GROUP, Normaliser
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from tests.mapped import built_in
from tests.waiting import PATIENCE_SECONDS, wait_until


class Room:
    """A bus with the topics of some forces, and what stands in for their connectors."""

    def __init__(
        self,
        folder: Path,
        forces: Mapping[str, Force] | None = None,
        *,
        partitions: int = 2,
        bus: Bus | None = None,
    ) -> None:
        self.forces = forces or built_in()
        self.bus = bus or open_bus(f"embedded://{folder / 'bus.db'}")
        self.partitions = partitions
        apply(self.bus, specs(self.forces, partitions=partitions))
        self.codec = Codec(load_registry(self.forces))
        self.metrics = Metrics()

    def publish(self, of: Feed, *events: Mapping[str, Any], trace: bytes | None = None) -> None:
        """Write events as their connector would, in one transaction."""
        encode = self.codec.encoder(of.topic)
        heading = Heading(f"/{of.force}/{of.system}", of.topic)
        for each in events:
            subject = each["record_id"].encode()
            head = heading.of(
                event_id(each["record_id"], each["source_version"]), each["read_at"], subject, trace
            )
            self.write(of, (subject, encode(each)), head=head)

    def write(self, of: Feed, *messages: tuple[bytes | None, bytes | None], head: Any = ()) -> None:
        """Write anything at all to a feed's topic."""
        producer = self.bus.producer("test.connector")
        producer.begin()
        for key, value in messages:
            producer.send(
                of.topic, key, value, head, partition=None if key else 0, timestamp=1_478_000_000_000
            )
        producer.commit()
        producer.close()

    def normaliser(self, *, bus: Bus | None = None, **more: Any) -> Normaliser:
        return Normaliser(bus or self.bus, self.forces, self.codec, self.metrics, **more)

    def normalise(self, **more: Any) -> None:
        """Run a normaliser until it has passed all there is."""
        with self.running(**more):
            self.catch_up()

    @contextmanager
    def running(self, **more: Any):
        """A normaliser at work in a thread; what it raises is raised here."""
        normaliser, stop, raised = self.normaliser(**more), threading.Event(), list[BaseException]()

        def run() -> None:
            try:
                normaliser.run(stop)
            except BaseException as error:  # noqa: BLE001  # told in the test's own thread
                raised.append(error)

        self.begun, self.thread = normaliser, threading.Thread(target=run)
        self.thread.start()
        try:
            yield
        finally:
            stop.set()
            self.thread.join(PATIENCE_SECONDS)
            assert not self.thread.is_alive()
            if raised:
                raise raised[0]

    def catch_up(self, feeds: Iterable[Feed] | None = None) -> None:
        """Wait until the normaliser has joined and normalised everything of these feeds, or has ended."""
        wanted = [feed.topic for feed in feeds or self.feeds()]

        def reached() -> bool:
            joined = self.begun._consumer is not None
            return joined and self.reached(wanted) >= self.ends(wanted).items()

        self.wait(lambda: reached() or not self.thread.is_alive())

    def wait(self, condition: Any) -> None:
        wait_until(condition)

    def feeds(self) -> list[Feed]:
        return [feed for force in self.forces.values() for feed in force.feeds.values()]

    def ends(self, topics: list[str]) -> dict[TopicPartition, int]:
        return {tp: end for tp, end in self.bus.end_offsets(topics).items() if end}

    def reached(self, topics: list[str]) -> set[tuple[TopicPartition, int]]:
        return {(tp, kept.offset) for tp, kept in self.bus.group_offsets(GROUP, topics).items()}

    def counts(self, of: Feed) -> Counts:
        """The normaliser's own counts of a feed, over its partitions."""
        kept = [read_counts(offset) for offset in self.bus.group_offsets(GROUP, [of.topic]).values()]
        return Counts(*(sum(getattr(each, name) for each in kept) for name in Counts.__slots__))

    def messages(self, topic: str) -> list[Received]:
        return list(self.bus.read_all(topic))

    def records(self, domain: str = "incident") -> list[dict[str, Any]]:
        topic = DOMAINS[domain].topic
        return [self.codec.decoder(topic)(each.value) for each in self.bus.read_all(topic)]

    def letters(self, of: Feed) -> list[dict[str, Any]]:
        topic = f"{of.topic}.dlq"
        return [self.codec.decoder(topic)(each.value) for each in self.bus.read_all(topic)]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"alliance_hub_{name}", labels)

    def close(self) -> None:
        self.bus.close()


def key(message: Received) -> str:
    return (message.key or b"").decode()
