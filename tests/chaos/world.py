"""The hub as real processes on stand-ins that live in the suite's own process, so that truth survives."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from connectors.standins.busy import Busy
from connectors.standins.legacy import LegacySystems
from hub.bus import open_bus
from hub.bus.topics import apply, specs
from hub.domains import DOMAINS
from hub.forces import Feed
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from hub.view.store import open_store
from tests.chaos.chores import Chores, tell_drops_apart
from tests.chaos.stage import HUB, Stage
from tests.chaos.watch import Watch
from tests.legacy import builtin_forces

PARTITIONS = 3
RATE = 12.0
"""Changes a second in the legacy systems, the chores left out."""

PATIENCE_SECONDS = 300
"""How long anything may take before it counts as stuck; on a busy machine a start alone takes a minute."""


class World:
    """Legacy systems in `folder`, their busy users, and a process for every stage of the hub."""

    def __init__(
        self,
        folder: Path,
        bus: str,
        store: str,
        rng: random.Random,
        *,
        normalisers: int = 1,
        programs: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`bus` and `store` are URLs; `programs` puts another program in a stage's place."""
        self.folder, self.rng = folder, rng
        self.kind = "kafka" if bus.startswith("kafka:") else "embedded"
        self._urls = (bus, store)
        self._normalisers = normalisers
        self._programs = programs or {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._build(stack)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _build(self, stack: ExitStack) -> None:
        bus, store = self._urls
        forces = builtin_forces()
        self.feeds: list[Feed] = [feed for force in forces.values() for feed in force.feeds.values()]
        # So many people that those who go while a connector is down are no mass deletion.
        self.legacy = LegacySystems(
            self.folder / "legacy", forces, staff_scale=0.06, drop_seconds=0.2, extract_seconds=1.0
        )
        stack.callback(self.legacy.close)
        tell_drops_apart(self.legacy)
        self.codec = Codec(load_registry(forces))
        self.bus = open_bus(bus)
        stack.callback(self.bus.close)
        apply(self.bus, specs(forces, partitions=PARTITIONS))
        self.store = open_store(store)
        stack.callback(self.store.close)
        self.watch = Watch(self.store, self.codec, PARTITIONS)
        self._busy = Busy(self.legacy, rate=RATE, seed=self.rng.randrange(1 << 30))
        self._chores = Chores(self.legacy, self.bus, self.codec, self.rng)
        self.stages = self._make_stages(self._configure(bus, store))
        stack.callback(self._kill)

    def start(self) -> bool:
        """Start everything, and wait until records of every force are visible; False where none come."""
        for stage in self.stages:
            stage.start()
        self._busy.start()
        self._chores.start()

        def visible() -> bool:
            self.watch.look()
            return self.watch.anything(self.legacy.forces)

        return until(lambda: visible() or bool(self.ended())) and not self.ended()

    def ended(self) -> list[str]:
        """The stages that have ended by themselves."""
        codes = [(stage, stage.ended()) for stage in self.stages]
        return [
            f"{stage.name} ended by itself with {code}; see {stage.log}"
            for stage, code in codes
            if code is not None
        ]

    def still(self) -> None:
        """Have the legacy systems hand over all they hold, and change nothing more."""
        self._chores.stop()
        self._busy.stop()

    @property
    def bad_rows(self) -> int:
        return self._chores.bad_rows

    def behind(self, instant: int, domains: Sequence[str] = tuple(DOMAINS)) -> list[str]:
        """The feeds whose changes up to this instant are not known to be visible."""
        fresh = {(f.force, f.domain): f.complete_to for f in self.store.fresh()}
        feeds = [feed for feed in self.feeds if feed.domain in domains]
        return [str(feed) for feed in feeds if fresh.get((feed.force, feed.domain), 0) < instant]

    def shares_work(self, stage: Stage) -> bool:
        """Whether another process of its kind could be taken for it."""
        return stage.kind == "normalise" and self._normalisers > 1

    def _make_stages(self, config: Path) -> list[Stage]:
        def stage(*words: str, force: str | None = None, instance: str = "1") -> Stage:
            return Stage(
                " ".join((*words, instance)),
                words,
                config,
                self.kind,
                self.rng,
                force=force,
                program=self._programs.get(words[0], HUB),
                environ={"HUB_INSTANCE": instance},
            )

        return [
            *(stage("connect", force, force=force) for force in self.legacy.forces),
            *(stage("normalise", instance=str(number + 1)) for number in range(self._normalisers)),
            stage("view"),
        ]

    def _configure(self, bus: str, store: str) -> Path:
        lines = [f'state = "{self.folder / "state"}"', f'bus = "{bus}"', f'store = "{store}"']
        lines += ["[topics]", f"partitions = {PARTITIONS}"]
        for force, domains in self.legacy.locations().items():
            lines += [f'[sources.{force}.{name}]\nlocation = "{where}"' for name, where in domains.items()]
        file = self.folder / "hub.toml"
        file.write_text("\n".join(lines) + "\n", "utf-8")
        return file

    def _kill(self) -> None:
        for stage in self.stages:
            if stage.born:
                stage.kill()


def until(condition: Callable[[], bool]) -> bool:
    """Wait for a condition; whether it came true in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
