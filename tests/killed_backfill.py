"""Keeps a connector on drops until it is killed: `python -m tests.killed_backfill FOLDER FORCE/DOMAIN`."""

import sys
import threading
from pathlib import Path

from connectors.keeper import Keeper
from connectors.sources import files, open_source
from tests.dropping import Forces

ROWS_AT_ONCE = 20


def tell(_state, error):
    sys.stderr.write(error)


if __name__ == "__main__":
    files._ROWS = ROWS_AT_ONCE
    bench = Forces(Path(sys.argv[1]))
    feed = bench.of_force(sys.argv[2])
    keeper = Keeper(
        feed,
        lambda: open_source(feed, str(bench.drops), None),
        bench.bus,
        bench.codec,
        bench.metrics,
        tell=tell,
    )
    keeper.run(threading.Event())
