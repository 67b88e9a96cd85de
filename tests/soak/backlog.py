"""How much memory a stage takes at most when very much is waiting before it starts."""

import time
from collections.abc import Callable
from pathlib import Path

from hub.cli.parts import Parts
from hub.config import load_settings
from tests.bench.content import FORCE, fill
from tests.bench.way import visible
from tests.soak.place import Place
from tests.soak.running import Running
from tests.soak.verdict import MOST_MEGABYTES, Check

_PATIENCE_SECONDS = 3600


def stages(where: Place, folder: Path, count: int) -> list[Check]:
    """Run one stage after the other, each on all that the one before it left."""
    location = fill(folder / "legacy.db", count)
    (folder / "hub.toml").write_text(f'[sources.{FORCE}.incident]\nlocation = "{location}"\n', "utf-8")
    parts = Parts(load_settings(state=folder, bus=where.bus, store=where.store, environ={}))
    options = ["--config", str(folder / "hub.toml"), "--state", str(folder), *where.options]
    connector = ["connect", FORCE, "incident"]

    def held(topic: str) -> Callable[[], bool]:
        return lambda: sum(parts.bus.end_offsets([topic]).values()) >= count

    def ready() -> bool:
        """A connector that starts again writes its positions once it has read what it published."""
        return sum(parts.bus.end_offsets([f"{FORCE}.positions.v1"]).values()) > before

    try:
        parts.topics(create=True)
        found = [_stage("connector", connector, options, folder, held(f"{FORCE}.incident.v1"))]
        before = sum(parts.bus.end_offsets([f"{FORCE}.positions.v1"]).values())
        found.append(_stage("connector again", connector, options, folder, ready))
        found.append(_stage("normaliser", ["normalise"], options, folder, held("alliance.incident.v1")))
        found.append(_stage("view", ["view"], options, folder, lambda: visible(parts.store) >= count))
    finally:
        parts.close()
    return found


def _stage(name: str, words: list[str], options: list[str], folder: Path, done: Callable[[], bool]) -> Check:
    """The most memory a stage took until it was done."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with Running({name: words}, options, folder) as running:
        while not done():
            running.check()
            assert time.monotonic() < deadline, f"the {name} was not done within {_PATIENCE_SECONDS} s"
            time.sleep(0.2)
        most = _peak(running.processes[0].pid)
    return Check(f"memory of the {name}", most < MOST_MEGABYTES, f"{most:.0f} MB at most")


def _peak(pid: int) -> float:
    """The most megabytes that were ever resident."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    (kibibytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kibibytes) * 1024 / 1e6
