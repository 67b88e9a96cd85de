"""One process of the hub, as an operator starts it, that can be killed and started again."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.kafka.broker import die_with_parent
from hub.kill_points import VARIABLE
from tests.chaos.places import AT_THE_START, SELDOM, places, steps_of

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

    def start(self, kill_point: str | None = None) -> None:
        """Start it; armed with a kill point, PLACE:N, it kills itself there."""
        self.armed = kill_point and kill_point.rpartition(":")[0]
        with self.log.open("ab") as log:
            log.write(f"--- started, to die at {kill_point}\n".encode())
            log.flush()
            armed = {VARIABLE: kill_point} if kill_point else {}
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                env=self._environ | armed,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one call
            )
        self.born = time.monotonic()

    def draw(self) -> str:
        """Take the next kill point: every mark gets its turn, in random order."""
        if not self._deck:
            self._deck = places(self._steps)
            self._rng.shuffle(self._deck)
        place = self._deck.pop()
        seldom = place.rpartition(":")[0] in AT_THE_START | SELDOM
        return f"{place}:{1 if seldom else self._rng.choice(_PASSINGS)}"

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
