"""Where a benchmark runs: on the embedded defaults, or on a real Kafka with PostgreSQL."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.kafka.broker import Broker
from tests.bench.processes import children
from tests.postgres import start_postgres


@dataclass(frozen=True, slots=True)
class Place:
    """`servers` are the process ids of what the hub runs on, whose CPU time counts too."""

    name: str
    bus: str
    store: str
    servers: dict[str, int]

    @property
    def options(self) -> list[str]:
        return ["--bus", self.bus, "--store", self.store]


def embedded(folder: Path) -> Place:
    return Place("embedded, SQLite", f"embedded://{folder / 'bus.db'}", f"sqlite:///{folder / 'view.db'}", {})


@contextlib.contextmanager
def kafka(folder: Path) -> Iterator[Place]:
    """A broker and a PostgreSQL of their own, durable as by default."""
    broker = Broker(folder / "kafka")
    broker.start()
    postgres = start_postgres()
    try:
        servers = {"broker": broker.pid, "PostgreSQL": children(postgres.pid)[0]}
        database = postgres.create()
        yield Place("Kafka, PostgreSQL", f"kafka://{broker.address}", postgres.url(database), servers)
    finally:
        postgres.stop()
        broker.kill()
