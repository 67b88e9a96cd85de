"""The whole hub in this process, on stand-ins, for tests: started, waited for, looked at, stopped."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.standins.legacy import LegacySystems
from hub.cli.process import Process, start_all
from hub.config import Settings, SourceSettings
from hub.view.query import Query
from tests.waiting import wait_until


class Hub:
    """A running hub and the legacy systems it reads."""

    def __init__(self, process: Process, legacy: LegacySystems) -> None:
        self.process = process
        self.legacy = legacy
        self.query = Query(process.parts.store, process.parts.codec)

    def catch_up(self) -> None:
        """Have the legacy systems hand over all they hold, and wait until all of it is visible."""
        self.legacy.finish()
        instant = time.time_ns() // 1000
        feeds = {(feed.force, feed.domain) for feed in self.process.parts.feeds()}

        def fresh() -> bool:
            assert not self.process.health.failures(), self.process.health.failures()
            seen = {(f.force, f.domain): f.complete_to or 0 for f in self.query.freshness()}
            return all(seen.get(feed, 0) >= instant for feed in feeds)

        wait_until(fresh, lambda: f"all is visible; fresh are {self.query.freshness()} at {instant}")

    def record(self, domain: str, identity: str) -> dict[str, Any] | None:
        item = self.query.get(domain, identity)
        return None if item is None else item.record


@contextmanager
def hub_on(legacy: LegacySystems, state: Path, **settings) -> Iterator[Hub]:
    """Run the whole hub on these systems; it must stop cleanly."""
    sources = {
        force: {domain: SourceSettings(location=where, secret_file=None) for domain, where in of.items()}
        for force, of in legacy.locations().items()
    }
    process = Process(Settings(state=state, port=0, sources=sources, **settings))
    try:
        start_all(process)
        yield Hub(process, legacy)
    finally:
        code = process.stop()
    assert code == 0
