"""Runs stages, each in a thread, with one HTTP port for the process, until told to stop."""

import gc
import signal
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Protocol

import structlog
from starlette.applications import Starlette

from hub import logs, tracing
from hub.certificates import CertificateWatch
from hub.cli.parts import Parts
from hub.cli.signals import set_from_handler
from hub.config import Settings, stray_sources
from hub.control import ConnectorState
from hub.disk import kept_in, tell_disks
from hub.errors import ConfigurationError, HubError
from hub.forces import Feed
from hub.health import Health, State, routes
from hub.serve.listener import Listener
from hub.serve.tls import Tls

log = structlog.get_logger()

SERVE_PORT = 8080
"""Where the server listens unless told otherwise; the other processes take a free port."""

_SWITCH_SECONDS = 0.0005
"""How long a busy stage may keep the others of its process waiting: they give up the interpreter's
lock with every row that SQLite takes or gives, and Python's own 5 ms each time adds up to minutes."""


class Stage(Protocol):
    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; raise a `HubError` where a person must act."""
        ...


class Process:
    """One process: its stages, its HTTP port, and one way to stop.

    A connector that fails tries again by itself and leaves the others running, since one force
    never slows another; without the normaliser or the view the process ends.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._tracing = tracing.configure(settings.instance)
        self.parts = Parts(settings)
        if stray := stray_sources(settings.sources, map(str, self.parts.feeds())):
            raise ConfigurationError("\n".join(stray))
        self.health = Health(self.parts.metrics, silent_after_seconds=settings.silent_after_seconds)
        self._certificates = CertificateWatch(settings, self.parts.metrics)
        tell_disks(self.parts.metrics, kept_in(settings))
        self.stop_asked = threading.Event()
        self.address = ""
        self._threads: list[threading.Thread] = []
        self.listeners: list[Listener] = []

    def check_topics(self, process: str | None = None) -> None:
        """Refuse to start where a topic that this process touches differs; the embedded bus makes its own.

        `process` is its name in `hub.acl.rights`; None touches all.
        """
        self.parts.topics(create=self.settings.bus_url.startswith("embedded:"), process=process)

    def connectors(self, feeds: Iterable[Feed]) -> dict[str, Stage]:
        """A stage for the connector of each feed, whose states the health of this process tells."""
        return {f"connect {feed}": self._connector(feed) for feed in feeds}

    def start(self, stages: Mapping[str, Stage], *, app: Starlette | None = None, port: int) -> None:
        """Start the stages and the HTTP port; `app` is what is served beside health and metrics."""
        self._listen(app, self.settings.port if self.settings.port is not None else port)
        for name, stage in stages.items():
            self.health.set(name, State.STARTING)
            self._threads.append(
                threading.Thread(target=self._run, args=(name, stage), name=name, daemon=True)
            )
        self._certificates.start()
        collect_seldom()
        if len(stages) > 1:
            sys.setswitchinterval(_SWITCH_SECONDS)
        for thread in self._threads:
            thread.start()
        log.info(
            "started",
            address=self.address,
            stages=sorted(stages),
            bus=self.parts.settings.bus_url.split("?")[0],
        )

    def heed_signals(self) -> None:
        """Stop in order when asked to: from before it is said that the process has started."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def wait(self) -> int:
        """Wait for a signal, or for all stages to end; stop the process and return its exit code."""
        self.heed_signals()
        while not self.stop_asked.wait(0.2):
            if self._threads and not any(thread.is_alive() for thread in self._threads):
                break
        return self.stop()

    def stop(self) -> int:
        """Stop everything, newest data flushed; 1 where a stage had failed, else 0.

        Stages and answers under way end before the parts that they use are closed.
        """
        self.stop_asked.set()
        for listener in self.listeners:
            listener.stop()
        deadline = time.monotonic() + 20
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        for listener in self.listeners:
            listener.join()
        failures = self.health.failures()
        self._certificates.close()
        self.parts.close()
        if self._tracing is not None:
            self._tracing.close()
        log.info("stopped", failed=sorted(failures))
        return 1 if failures else 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        set_from_handler(self.stop_asked)

    def _run(self, name: str, stage: Stage) -> None:
        logs.bind_stage(name)
        self.health.set(name, State.RUNNING)
        try:
            stage.run(self.stop_asked)
        except HubError as error:
            self._failed(name, str(error), type(error).__name__)
        except Exception as error:  # noqa: BLE001 a defect of the hub must be seen, not end a thread in silence
            log.error("defect", stage=name, trace=logs.trace(error))
            self._failed(
                name, f"a defect of the hub ({type(error).__name__}); please report it", type(error).__name__
            )
        else:
            self.health.set(name, State.STOPPED)

    def _connector(self, feed: Feed) -> Stage:
        def tell(state: ConnectorState, error: str) -> None:
            self.health.set(f"connect {feed}", State(state.lower()), error)

        return self.parts.connector(feed, tell)

    def _failed(self, name: str, message: str, kind: str) -> None:
        log.error("stage stopped", stage=name, error=kind, message=message)
        self.health.set(name, State.FAILED, message)
        if not name.startswith("connect "):
            self.stop_asked.set()

    def _listen(self, app: Starlette | None, port: int) -> None:
        """Listen; with an app, which is guarded, its metrics may have a port of their own."""
        server = self.settings.server
        tls = Tls(server) if app is not None and server.certificate_file is not None else None
        self._serve(app or Starlette(), port, tls)
        if app is not None and server.metrics_port is not None:
            self._serve(Starlette(), server.metrics_port, None)
        self.address = self.listeners[0].address

    def _serve(self, app: Starlette, port: int, tls: Tls | None) -> None:
        app.router.routes[:0] = routes(self.parts.metrics, self.health)
        settings = self.settings
        self.listeners.append(Listener(app, settings.host, port, settings.limits, self.parts.metrics, tls))


def collect_seldom() -> None:
    """What is built by now stays; of what comes and goes with a batch nearly nothing is a cycle."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def start_all(process: Process) -> None:
    """Start every connector that has a location, the normaliser, the view and the server."""
    from hub.cli.server import make_server

    parts = process.parts
    parts.topics(create=True)
    sources = parts.settings.sources
    located = [feed for feed in parts.feeds() if feed.domain in sources.get(feed.force, {})]
    stages = process.connectors(located)
    stages |= {"normalise": parts.normaliser(), "view": parts.view()}
    process.start(stages, app=make_server(parts), port=SERVE_PORT)


def start_server(process: Process) -> None:
    """Start the server alone, on the store that a view elsewhere keeps."""
    from hub.cli.server import make_server
    from hub.serve.watch import STAGE, StoreWatch

    parts = process.parts
    process.start({STAGE: StoreWatch(parts.store, parts.metrics)}, app=make_server(parts), port=SERVE_PORT)
