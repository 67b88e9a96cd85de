"""Where a soak runs: which bus, which store, and which files grow with what they hold."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.kafka.broker import Broker
from tests.bench.processes import children
from tests.postgres import start_postgres

BUSES = ("embedded", "kafka")
STORES = ("sqlite", "postgres")


@dataclass(frozen=True, slots=True)
class Place:
    """`servers` are process ids of what the hub runs on; `files` are folders or beginnings of file names."""

    name: str
    bus: str
    store: str
    servers: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def options(self) -> list[str]:
        return ["--bus", self.bus, "--store", self.store]

    def sizes(self) -> dict[str, float]:
        """Megabytes on the disk, by what they are of."""
        return {name: _size(path) / 1e6 for name, path in self.files.items()}


@contextlib.contextmanager
def place(bus: str, store: str, folder: Path) -> Iterator[Place]:
    """Start what these need; all of it ends with the block."""
    with contextlib.ExitStack() as stack:
        servers: dict[str, int] = {}
        files: dict[str, Path] = {}
        bus_url = f"embedded://{folder / 'bus.db'}"
        files["bus"] = folder / "bus.db"
        if bus == "kafka":
            broker = Broker(folder / "kafka")
            broker.start()
            stack.callback(broker.kill)
            bus_url, servers["broker"], files["bus"] = f"kafka://{broker.address}", broker.pid, broker.folder
        store_url = f"sqlite:///{folder / 'view.db'}"
        if store == "postgres":
            postgres = start_postgres()
            stack.callback(postgres.stop)
            servers["PostgreSQL"] = children(postgres.pid)[0]
            store_url = postgres.url(postgres.create())
        else:
            files["store"] = folder / "view.db"
        yield Place(f"{bus}, {store}", bus_url, store_url, servers, files)


def _size(path: Path) -> int:
    """Of all files in a folder, or of a database with what lies beside it."""
    found = path.rglob("*") if path.is_dir() else path.parent.glob(f"{path.name}*")
    total = 0
    for file in found:
        with contextlib.suppress(FileNotFoundError):  # a log segment that was just compacted
            total += file.stat().st_blocks * 512  # a file may have room that it does not take
    return total
