"""What a process says of itself over HTTP: `/metrics`, `/livez`, `/readyz`."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.metrics import Metrics
from hub.pulse import Beat

_STUCK_AFTER = 5
"""Stuck is what has been silent for so many times as long: a new start costs more than to wait."""


class State(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


_AS_ASKED = frozenset({State.RUNNING, State.PAUSED, State.STOPPED})
"""A stage that an operator paused or stopped is as it is meant to be; freshness shows what it costs."""


@dataclass(slots=True)
class StageHealth:
    """How one stage of this process is. `error` says what a person should do."""

    state: State = State.STARTING
    since: float = field(default_factory=time.monotonic)
    error: str = ""


class Health:
    """The stages of this process and how they are. Safe to use from any thread.

    A running stage is *silent* when it has not finished a step, be it an empty one, for
    `silent_after_seconds`: then the process is not ready. One that has tried again meanwhile, or
    pauses before it does, is *trying*. It is *stuck* when for five times as long it has neither
    moved nor tried nor waited for a person: then the process is not live. Ages are taken from a
    clock that nobody sets.
    """

    def __init__(self, metrics: Metrics, *, silent_after_seconds: float = 60) -> None:
        self._metrics = metrics
        self._silent_after = silent_after_seconds
        self._ticks: Callable[[], float] = metrics.pulse.clock
        self._lock = threading.Lock()
        self._stages: dict[str, StageHealth] = {}

    def set(self, stage: str, state: State, error: str = "") -> None:
        with self._lock:
            self._stages[stage] = StageHealth(state, self._ticks(), error)

    def stages(self) -> dict[str, StageHealth]:
        with self._lock:
            return dict(self._stages)

    def failures(self) -> dict[str, str]:
        """The stages that stopped for a person to act, each with what to do."""
        return {name: s.error for name, s in self.stages().items() if s.state is State.FAILED}

    def held(self) -> list[str]:
        """Stages that stand still until a person acts."""
        waiting = set()
        for sample in (sample for each in self._metrics.stopped.collect() for sample in each.samples):
            stage, force, domain = (sample.labels[label] for label in ("stage", "force", "domain"))
            if sample.value:
                waiting.add(f"connect {force}/{domain}" if stage == "read" else stage)
        return sorted(waiting)

    def unmoved_seconds(self) -> dict[str, float]:
        """How long ago each running stage finished a step, or was started."""
        now, beats = self._ticks(), self._metrics.pulse.stages()
        return {
            name: now - max(stage.since, beats.get(name, Beat()).moved or stage.since)
            for name, stage in self.stages().items()
            if stage.state is State.RUNNING
        }

    def silent(self) -> list[str]:
        """Running stages that have not finished a step for too long."""
        return sorted(n for n, seconds in self.unmoved_seconds().items() if seconds > self._silent_after)

    def trying(self) -> list[str]:
        """Running stages whose last step failed in passing, and is tried again."""
        beats, now = self._metrics.pulse.stages(), self._ticks()
        return sorted(
            name
            for name, seconds in self.unmoved_seconds().items()
            if (at := beats.get(name, Beat()).tries_at) is not None
            and at > now - min(seconds, self._silent_after * _STUCK_AFTER)
        )

    def stuck(self) -> list[str]:
        """Stages silent for very long that neither try again nor wait for a person."""
        most = self._silent_after * _STUCK_AFTER
        spared = {*self.trying(), *self.held()}
        return sorted(n for n, s in self.unmoved_seconds().items() if s > most and n not in spared)

    def ready(self) -> bool:
        stages = self.stages()
        running = bool(stages) and all(s.state in _AS_ASKED for s in stages.values())
        return running and not self.silent() and not self.held()


def routes(metrics: Metrics, health: Health) -> list[Route]:
    """The three routes that every process serves without a token.

    They are coroutines: an ordinary function would wait for a thread, and those may all be in
    questions to a store that does not answer.
    """

    async def metrics_page(_: Request) -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def livez(_: Request) -> Response:
        stuck = health.stuck()
        return JSONResponse({"live": not stuck, "stuck": stuck}, 503 if stuck else 200)

    async def readyz(_: Request) -> Response:
        ready = health.ready()
        unmoved = health.unmoved_seconds()
        stages = {
            name: {"state": s.state, "error": s.error, "unmoved_seconds": round(unmoved.get(name, 0.0), 1)}
            for name, s in health.stages().items()
        }
        body = {
            "ready": ready,
            "silent": health.silent(),
            "trying": health.trying(),
            "held": health.held(),
            "stages": stages,
        }
        return JSONResponse(body, 200 if ready else 503)

    return [Route("/metrics", metrics_page), Route("/livez", livez), Route("/readyz", readyz)]
