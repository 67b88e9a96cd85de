"""Runs in a container of its own beside the hub's: takes stock of every feed while the stand-ins stand still.

Prints the report that `alliance-hub demo` makes, with the truth of the stand-ins beside it, as JSON.
"""

import json
import sqlite3
import sys
from pathlib import Path

from hub.cli.accounts import make_report, take_accounts
from hub.cli.process import Process, start_server
from hub.config import load_settings

TRUTH = "file:/var/lib/legacy/truth.db?mode=ro"
COUNT = """select count(*) from truth
    where force = ? and domain = ? and not coalesce(json_extract(body, '$.deleted'), 0)"""


def count_rows(force: str, domain: str) -> int:
    """The live records of a feed, as the stand-ins' own book of what is true has them."""
    with sqlite3.connect(TRUTH, uri=True) as book:
        return int(book.execute(COUNT, (force, domain)).fetchone()[0])


def main() -> None:
    """Serve the store to nobody else, and page through it."""
    here = {"host": "127.0.0.1", "port": 0, "tokens_file": None, "instance": "accounts"}
    settings = load_settings(Path("/etc/alliance-hub/hub.toml"), environ={}).model_copy(update=here)
    process = Process(settings)
    start_server(process)
    feeds = process.parts.feeds()
    accounts = take_accounts(process.parts, feeds, count_rows, process.address)
    report = make_report(accounts, skipped=(), elapsed_seconds=0)
    report["truth"] = {feed.force: {} for feed in feeds}
    for feed in feeds:
        report["truth"][feed.force][feed.domain] = count_rows(feed.force, feed.domain)
    json.dump(report, sys.stdout)
    process.stop()


if __name__ == "__main__":
    main()
