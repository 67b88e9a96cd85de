"""At the end of a soak: everything is visible, the view says what is true, and the counts balance."""

import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from connectors.standins.legacy import LegacySystems
from connectors.standins.truth import Truth, from_json
from hub.cli.accounts import make_report, take_accounts
from hub.cli.parts import Parts
from hub.view.query import Query
from tests.comparison import differences
from tests.soak.running import Running

CATCH_UP_SECONDS = 600
_MOST_TOLD = 10


def catch_up(parts: Parts, running: Running) -> float:
    """Wait until every feed is complete up to now; how many seconds that took."""
    began, instant = time.monotonic(), time.time_ns() // 1000
    query, feeds = Query(parts.store, parts.codec), parts.feeds()
    while True:
        running.check()
        fresh = {(f.force, f.domain): f.complete_to or 0 for f in query.freshness()}
        behind = [str(feed) for feed in feeds if fresh.get((feed.force, feed.domain), 0) < instant]
        if not behind:
            return time.monotonic() - began
        if time.monotonic() - began > CATCH_UP_SECONDS:
            raise AssertionError(f"Not all was visible within {CATCH_UP_SECONDS} s: {', '.join(behind)}.")
        time.sleep(0.2)


def unbalanced(parts: Parts, legacy: LegacySystems, address: str) -> list[str]:
    """Every equation between the counts of the stages that does not hold."""
    accounts = take_accounts(parts, parts.feeds(), legacy.count, address)
    return list(make_report(accounts, skipped=[], elapsed_seconds=0)["failing"])


def untrue(parts: Parts, folder: Path) -> list[str]:
    """Every record of which the view does not say what is true; the first ones in words."""
    query, live, wrong = Query(parts.store, parts.codec), Counter[tuple[str, str]](), list[str]()
    for identity, domain, truth in _truths(folder / "truth.db"):
        live[domain, truth.force] += not truth.deleted
        item = query.get(domain, identity)
        if item is None and truth.deleted:
            continue  # it came and went between two looks
        found = ["is not there"] if item is None else differences(truth, item.record)
        wrong += [f"{identity}: {each}" for each in found]
    counts = query.counts()
    wrong += [
        f"{force}/{domain}: {counts[domain][force]['visible']} are visible, {count} are live"
        for (domain, force), count in live.items()
        if counts[domain][force]["visible"] != count
    ]
    return wrong if len(wrong) <= _MOST_TOLD else [*wrong[:_MOST_TOLD], f"and {len(wrong) - _MOST_TOLD} more"]


def reconcile(options: list[str]) -> tuple[int, str]:
    """Exit code and first line of each feed of `alliance-hub reconcile`."""
    command = [str(Path(sys.executable).parent / "alliance-hub"), "reconcile", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    return done.returncode, "; ".join(lines) or done.stderr[-1000:]


def _truths(file: Path) -> Iterator[tuple[str, str, Truth]]:
    """One by one, for an hour leaves more of them than fit in memory."""
    book = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        for identity, domain, body in book.execute("select id, domain, body from truth"):
            yield identity, domain, from_json(domain, body)
    finally:
        book.close()
