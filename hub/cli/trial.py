"""A trial of the whole hub in one process, on stand-ins for the legacy systems."""

import json
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import typer
from rich.console import Console

from connectors.standins.busy import Busy, give_past
from connectors.standins.legacy import LegacySystems
from connectors.standins.street import StreetFile, load_street_file
from hub.cli.accounts import make_report, take_accounts
from hub.cli.parts import Parts
from hub.cli.process import Process, start_all
from hub.cli.progress import Progress, table
from hub.cli.signals import set_by
from hub.config import Settings, SourceSettings
from hub.errors import FatalError
from hub.view.migrating import store_status, upgrade
from hub.view.query import Query

CATCH_UP_SECONDS = 600
"""How long the hub may take, with nothing new coming, until all is visible."""

_WIDTH = 150
"""Columns of what is printed where no terminal says its width."""


class Trial:
    """Stand-ins filled with `files` and kept busy at `rate` (None: still), and the hub that reads them.

    What both keep is in the state folder, and the next trial there goes on with it.
    """

    def __init__(self, settings: Settings, files: Sequence[StreetFile], *, rate: float | None) -> None:
        self.failed = False
        self._broken: dict[str, str] = {}
        self._began = time.monotonic()
        self._settings = settings
        self._files = files
        self._rate = rate
        self._console = Console(width=None if sys.stdout.isatty() else _WIDTH)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def announce(self) -> bool:
        """Print the address once every domain has records to see there; False where it was stopped before."""
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while not all(any(n["visible"] for n in of.values()) for of in self._query.counts().values()):
            if self._is_over(0.1):
                return False
            if time.monotonic() > deadline:
                raise FatalError(
                    f"Nothing was visible within {CATCH_UP_SECONDS} s; the log says what stopped."
                )
        self._console.print(self._process.address, highlight=False)
        return True

    def watch(self, duration: float | None) -> bool:
        """Show the progress for so long, or until stopped; False where it was stopped before the end."""
        end = None if duration is None else time.monotonic() + duration
        with self._progress() as progress:
            while end is None or time.monotonic() < end:
                progress.show()
                if self._is_over(0.1):
                    return False
        return True

    def reconcile(self, skipped: Sequence[str], file: Path | None) -> bool:
        """Still the legacy systems, wait until all is visible, write the report; whether it balances."""
        if self._busy is not None:
            self._busy.stop()
        if not self._catch_up():
            return False
        accounts = take_accounts(self._process.parts, self._feeds, self._legacy.count, self._process.address)
        report = make_report(accounts, skipped=skipped, elapsed_seconds=time.monotonic() - self._began)
        self._tell(report)
        if file is not None:
            file.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
        return bool(report["balanced"])

    def _start(self, stack: ExitStack) -> None:
        self._legacy = LegacySystems(self._settings.state / "legacy", Parts(self._settings).forces)
        stack.callback(self._legacy.close)
        for file in self._files:
            load_street_file(self._legacy, file)
        if self._rate is not None:
            give_past(self._legacy)
        self._legacy.finish()
        self._upgrade_store()
        self._process = Process(self._settings.model_copy(update={"sources": self._sources()}))
        stack.callback(self._stop)
        start_all(self._process)
        stack.enter_context(set_by(self._process.stop_asked, signal.SIGINT, signal.SIGTERM))
        self._feeds = self._process.parts.feeds()
        self._query = Query(self._process.parts.store, self._process.parts.codec)
        self._busy = None if self._rate is None else Busy(self._legacy, rate=self._rate)
        if self._busy is not None:
            self._busy.start()
            stack.callback(self._busy.stop)

    def _upgrade_store(self) -> None:
        """Bring a store that an earlier release left to this one: it holds a trial, which nobody backs up."""
        url, secret = self._settings.store_url, self._settings.store_secret()
        if store_status(url, secret).problem is not None:
            upgrade(url, secret)

    def _catch_up(self) -> bool:
        """Wait until every feed is complete up to now; False where it was stopped before."""
        still_since = time.time_ns() // 1000
        deadline = time.monotonic() + CATCH_UP_SECONDS
        with self._progress() as progress:
            while behind := self._behind(still_since):
                progress.show()
                if self._is_over(0.1):
                    return False
                if time.monotonic() > deadline:
                    raise FatalError(
                        f"Not everything was visible within {CATCH_UP_SECONDS} s: {', '.join(behind)} behind."
                    )
        return True

    def _behind(self, instant: int) -> list[str]:
        fresh = {(f.force, f.domain): f.complete_to or 0 for f in self._query.freshness()}
        return [str(feed) for feed in self._feeds if fresh.get((feed.force, feed.domain), 0) < instant]

    def _is_over(self, pause: float) -> bool:
        """Whether a signal or a failure ended it; waits a little for that."""
        asked = self._process.stop_asked.wait(pause)
        self._broken |= self._process.health.failures()
        return asked or bool(self._broken) or (self._busy is not None and self._busy.error is not None)

    def _tell(self, report: dict[str, Any]) -> None:
        self._console.print(table(report))
        for name in report["skipped"]:
            self._console.print(f"skipped: {name}", highlight=False)
        for fault in report["failing"]:
            self._console.print(f"does not balance: {fault}", highlight=False)

    def _progress(self) -> Progress:
        return Progress(self._query, list(self._process.parts.forces), self._console)

    def _sources(self) -> dict[str, dict[str, SourceSettings]]:
        return {
            force: {
                domain: SourceSettings(location=location, secret_file=None)
                for domain, location in places.items()
            }
            for force, places in self._legacy.locations().items()
        }

    def _stop(self) -> None:
        self._process.stop()
        # A connector that waited for a person ends in order, and is no failure any more.
        self._broken |= self._process.health.failures()
        self.failed = bool(self._broken)
        for name, problem in self._broken.items():
            typer.echo(f"alliance-hub: {name}: {problem}", err=True)
