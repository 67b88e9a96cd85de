"""Kills the stages of a world, one after the other and two at a time, and times how they come back."""

import time
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.stage import KILLED, Stage
from tests.chaos.world import PATIENCE_SECONDS, World

_VICTIMS = 2
_LONGEST_SERIES = 5
_LONGEST_LIFE_SECONDS = 12
"""How long an armed process may take to come by its mark; then it is killed wherever it is."""

_LOOK_SECONDS = 0.02
ANYWHERE = "anywhere"
LEAVE = "leave"


@dataclass(slots=True)
class Fault:
    """A stage that was killed, and the instant, the last kill on its way, from which it recovers."""

    stage: Stage
    at: float


@dataclass(slots=True)
class Told:
    """What became of the faults: how many at which place, how long each recovery took, what went wrong."""

    places: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.places.total()


class Faults:
    """One round of faults in a world that runs."""

    def __init__(self, world: World) -> None:
        self.told = Told()
        self._world, self._rng = world, world.rng
        self._series: dict[str, int] = {}
        self._pending: dict[str, Fault] = {}

    def run(self, wanted: int) -> Told:
        """Kill until there were so many faults, then wait until everything has come back."""
        while self.told.count < wanted and not self.told.problems:
            self._choose_victims()
            self._step()
        for stage in self._world.stages:
            if stage.armed:
                self._kill(stage)
        while self._pending and not self.told.problems:
            self._step()
        return self.told

    def _step(self) -> None:
        time.sleep(_LOOK_SECONDS)
        for stage in self._world.stages:
            code = stage.ended()
            if code is not None:
                self._ended(stage, code)
            elif stage.armed and time.monotonic() - stage.born > _LONGEST_LIFE_SECONDS:
                self._kill(stage, again=True)
        self._world.watch.look()
        self._see_recoveries()

    def _choose_victims(self) -> None:
        """Kill a stage wherever it is just now; then it dies at a mark, several times in a row."""
        if len(self._series) >= min(_VICTIMS, len(self._world.stages)):
            return
        well = [s for s in self._world.stages if s.name not in self._series and s.name not in self._pending]
        if not well:
            return
        stage = self._rng.choice(well)
        self._series[stage.name] = self._rng.randint(1, _LONGEST_SERIES)
        if stage.kind == "normalise" and self._rng.random() < 0.3:
            self._leave(stage)
        else:
            self._kill(stage, again=True)

    def _ended(self, stage: Stage, code: int) -> None:
        if code != KILLED or not stage.armed:
            self.told.problems.append(f"{stage.name} ended by itself with {code}; see {stage.log}")
            return
        self._fault(stage, stage.armed)
        left = self._series[stage.name] = self._series[stage.name] - 1
        if left == 0:
            del self._series[stage.name]
        stage.start(stage.draw() if left else None)

    def _kill(self, stage: Stage, *, again: bool = False) -> None:
        stage.kill()
        self._fault(stage, ANYWHERE)
        stage.start(stage.draw() if again else None)
        if not again:
            self._series.pop(stage.name, None)

    def _leave(self, stage: Stage) -> None:
        code = stage.leave()
        if code != 0:
            self.told.problems.append(f"{stage.name} was asked to end and ended with {code}; see {stage.log}")
            return
        self._fault(stage, LEAVE)
        stage.start(stage.draw())

    def _fault(self, stage: Stage, place: str) -> None:
        """Note it. What was on its way to recovery through this stage begins anew."""
        self.told.places[place] += 1
        now = time.time()
        for fault in self._pending.values():
            if stage.kind != "connect":
                fault.at = now
        self._pending[stage.name] = Fault(stage, now)

    def _see_recoveries(self) -> None:
        now = time.time()
        for name, fault in list(self._pending.items()):
            if self._has_recovered(fault):
                self.told.recoveries.append(now - fault.at)
                del self._pending[name]
            elif now - fault.at > PATIENCE_SECONDS:
                self.told.problems.append(
                    f"after {name} was killed nothing newer was visible for {PATIENCE_SECONDS} s; see "
                    f"{fault.stage.log}; seen: {self._world.watch}"
                )

    def _has_recovered(self, fault: Fault) -> bool:
        """Something read after the kill is visible: of the connector's force, else in every partition.

        Where another normaliser goes on meanwhile, all that was changed before the kill must be.
        """
        watch, instant = self._world.watch, int(fault.at * 1_000_000)
        if self._world.shares_work(fault.stage):
            return not self._world.behind(instant, ["incident"])
        if fault.stage.force is not None:
            return watch.force_since(fault.stage.force, instant)
        return watch.every_partition_since(instant)
