"""Runs a connector until it is killed: `python -m tests.killed_connector FOLDER URL`."""

import sys
import threading

from connectors.loop import Connector
from connectors.sources import open_source
from tests.connecting import Bench

if __name__ == "__main__":
    bench = Bench(sys.argv[1])
    feed = bench.feed()
    source = open_source(feed, sys.argv[2], None)
    Connector(feed, source, bench.bus, bench.codec, bench.metrics).run(threading.Event())
