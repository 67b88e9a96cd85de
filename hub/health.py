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

    `last_progress` gives, per stage, when it last finished a step, be it an empty one; a
    running stage that has not for `stuck_after_seconds` is not live.
    """

    def __init__(
        self, metrics: Metrics, *, stuck_after_seconds: float = 60, clock: Callable[[], float] = time.time
    ) -> None:
        self._metrics = metrics
        self._stuck_after = stuck_after_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._stages: dict[str, StageHealth] = {}

    def set(self, stage: str, state: State, error: str = "") -> None:
        with self._lock:
            self._stages[stage] = StageHealth(state, self._clock(), error)

    def stages(self) -> dict[str, StageHealth]:
        with self._lock:
            return dict(self._stages)

    def failures(self) -> dict[str, str]:
        """The stages that stopped for a person to act, each with what to do."""
        return {name: s.error for name, s in self.stages().items() if s.state is State.FAILED}

    def stuck(self) -> list[str]:
        """Running stages that have not finished a step for too long."""
        running = {name for name, s in self.stages().items() if s.state is State.RUNNING}
        now = self._clock()
        return [
            f"{name}: no step finished for {now - at:.0f} s"
            for name, at in self._last_progress().items()
            if name in running and at and now - at > self._stuck_after
        ]

    def ready(self) -> bool:
        stages = self.stages()
        return bool(stages) and all(s.state is State.RUNNING for s in stages.values()) and not self.stuck()

    def _last_progress(self) -> dict[str, float]:
        """The newest progress of each stage, named as the stages of this process are."""
        newest: dict[str, float] = {}
        for metric in self._metrics.last_progress.collect():
            for sample in metric.samples:
                labels = sample.labels
                read = labels["stage"] == "read"
                name = f"connect {labels['force']}/{labels['domain']}" if read else labels["stage"]
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
        return JSONResponse({"ready": ready, "stages": stages}, 200 if ready else 503)

    return [Route("/metrics", metrics_page), Route("/livez", livez), Route("/readyz", readyz)]
