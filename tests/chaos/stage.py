"""One process of the hub, as an operator starts it, that can be killed and started again."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from hub.kill_points import VARIABLE
from tests.chaos.places import AT_THE_START, SELDOM, steps_of

HUB = (str(Path(sys.executable).with_name("alliance-hub")),)
KILLED = -signal.SIGKILL
_PASSINGS = (1, 1, 2, 3, 5, 8, 13)


class Stage:
    """`kind` is connect, normalise or view; `force` names the one a connector reads."""

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        config: Path,
        bus: str,
        rng: random.Random,
        *,
        force: str | None = None,
        program: Sequence[str] = HUB,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.kind, self.force = name, words[0], force
        self.log = config.with_name(f"{name.replace(' ', '-')}.log")
        self.armed: str | None = None
        self.born = 0.0
        self._command = [*program, *words, "--config", str(config), "--port", "0"]
        self._environ = {**os.environ, **(environ or {})}
        self._steps = steps_of(bus, self.kind, force)
        self._rng = rng
        self._deck: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, armed: bool = False) -> None:
        """Start it; armed, it kills itself at the next mark of its deck."""
        self.armed = self._draw() if armed else None
        kill_point = {VARIABLE: f"{self.armed}:{self._passings(self.armed)}"} if self.armed else {}
        with self.log.open("ab") as log:
            log.write(f"--- started, to die at {kill_point.get(VARIABLE, 'no mark')}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._environ | kill_point
            )
        self.born = time.monotonic()

    @property
    def places(self) -> list[str]:
        return [f"{step}:{side}" for step in self._steps for side in ("before", "after")]

    def ended(self) -> int | None:
        """Its exit code, once it has ended."""
        assert self._process is not None
        return self._process.poll()

    def kill(self) -> None:
        """End it at once, wherever it is."""
        assert self._process is not None
        self.armed = None
        self._process.kill()
        self._process.wait()

    def leave(self) -> int:
        """Have it end in order; its exit code."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            return KILLED

    def _draw(self) -> str:
        """Every mark gets its turn, in random order."""
        if not self._deck:
            self._deck = self.places
            self._rng.shuffle(self._deck)
        return self._deck.pop()

    def _passings(self, place: str) -> int:
        step = place.rpartition(":")[0]
        return 1 if step in AT_THE_START | SELDOM else self._rng.choice(_PASSINGS)
