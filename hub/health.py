"""What a process says of itself over HTTP: `/metrics`, `/livez`, `/readyz`."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.metrics import Metrics


class State(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(slots=True)
class StageHealth:
    """How one stage of this process is. `error` says what a person should do."""

    state: State = State.STARTING
    since: float = field(default_factory=time.time)
    error: str = ""


class Health:
    """The stages of this process and how they are. Safe to use from any thread.

    A running stage is *silent* when it has not finished a step, be it an empty one, for
    `silent_after_seconds`: then the process is not ready. It is *stuck* when it has not even
    tried again meanwhile, nor waits for a person: then the process is not live.
    """

    def __init__(
        self, metrics: Metrics, *, silent_after_seconds: float = 60, clock: Callable[[], float] = time.time
    ) -> None:
        self._metrics = metrics
        self._silent_after = silent_after_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._stages: dict[str, StageHealth] = {}
        self._retries: dict[str, tuple[float, float]] = {}

    def set(self, stage: str, state: State, error: str = "") -> None:
        with self._lock:
            self._stages[stage] = StageHealth(state, self._clock(), error)

    def stages(self) -> dict[str, StageHealth]:
        with self._lock:
            return dict(self._stages)

    def failures(self) -> dict[str, str]:
        """The stages that stopped for a person to act, each with what to do."""
        return {name: s.error for name, s in self.stages().items() if s.state is State.FAILED}

    def held(self) -> list[str]:
        """Stages that stand still until a person acts."""
        return sorted(name for name, value in self._newest(self._metrics.stopped).items() if value)

    def silent(self) -> list[str]:
        """Running stages that have not finished a step for too long."""
        oldest = self._clock() - self._silent_after
        progress = self._newest(self._metrics.last_progress)
        return sorted(
            name
            for name, stage in self.stages().items()
            if stage.state is State.RUNNING and max(stage.since, progress.get(name, 0)) < oldest
        )

    def stuck(self) -> list[str]:
        """Silent stages that neither try again nor wait for a person."""
        now = self._clock()
        with self._lock:
            for name, count in self._newest(self._metrics.retries).items():
                if self._retries.get(name, (0.0, 0.0))[0] != count:
                    self._retries[name] = (count, now)
            trying = {name for name, (_, at) in self._retries.items() if now - at <= self._silent_after}
        return [name for name in self.silent() if name not in trying and name not in self.held()]

    def ready(self) -> bool:
        stages = self.stages()
        running = bool(stages) and all(s.state is State.RUNNING for s in stages.values())
        return running and not self.silent() and not self.held()

    @staticmethod
    def _newest(metric: Counter | Gauge) -> dict[str, float]:
        """The highest value of each stage's feeds, by the names of the stages of a process."""
        newest: dict[str, float] = {}
        for sample in (sample for each in metric.collect() for sample in each.samples):
            if sample.name.endswith("_created"):
                continue
            stage, force, domain = (sample.labels[label] for label in ("stage", "force", "domain"))
            name = f"connect {force}/{domain}" if stage == "read" else stage
            newest[name] = max(newest.get(name, 0), sample.value)
        return newest


def routes(metrics: Metrics, health: Health) -> list[Route]:
    """The three routes that every process serves without a token."""

    def metrics_page(_: Request) -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    def livez(_: Request) -> Response:
        stuck = health.stuck()
        return JSONResponse({"live": not stuck, "stuck": stuck}, 503 if stuck else 200)

    def readyz(_: Request) -> Response:
        ready = health.ready()
        stages = {name: {"state": s.state, "error": s.error} for name, s in health.stages().items()}
        body = {"ready": ready, "silent": health.silent(), "held": health.held(), "stages": stages}
        return JSONResponse(body, 200 if ready else 503)

    # Called once before anyone asks, so that the first answer knows which retries are old.
    health.stuck()
    return [Route("/metrics", metrics_page), Route("/livez", livez), Route("/readyz", readyz)]
