"""A kept connector in a thread of its own, on a source that the test plays."""

import contextlib
import threading

import pytest

from connectors.backfill_rows import refuse
from connectors.keeper import Keeper
from connectors.source import Batch
from hub.control import Control
from hub.errors import TransientError
from hub.flow import Flow
from tests.connecting import key
from tests.waiting import PATIENCE_SECONDS, wait_until


class Played:
    """What a legacy system holds: rows in the order in which they came. Makes sources that read it."""

    def __init__(self, *rows):
        self.rows = list(rows)
        self.error = None
        self.reads = 0
        self.opened = 0
        self.open = 0
        self.most = 1000
        self.batch = {}
        self.snapshot = None
        self.before_read = lambda: None
        self.second_stalls_at = None

    def source(self):
        self.opened += 1
        self.open += 1
        return _Source(self, self.opened)


class _Source:
    def __init__(self, played, number):
        self._played = played
        self._number = number

    def read(self, position):
        played = self._played
        played.before_read()
        played.reads += 1
        if played.error is not None:
            raise played.error
        place = position.get("place", 0)
        if self._number == 2 and place == played.second_stalls_at:
            raise TransientError("no answer")
        rows = played.rows[place : place + played.most]
        after = {"place": place + len(rows)} if rows else position
        more = place + len(rows) < len(played.rows)
        named = {"snapshot": played.snapshot, "snapshot_ends": not more} if played.snapshot and rows else {}
        return Batch(rows, after, more=more, **named, **played.batch)

    def count(self):
        return len(self._played.rows)

    def close(self):
        self._played.open -= 1


class Kept:
    """A keeper at work, ended with the block."""

    def __init__(self, bench, feed, played, **more):
        self.stop = threading.Event()
        self.error = None
        self.told: list[tuple[str, str]] = []
        more = {"tell": lambda state, error: self.told.append((str(state), error))} | more
        self._keeper = Keeper(feed, played.source, bench.bus, bench.codec, bench.metrics, **more)
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            self._keeper.run(self.stop)
        except Exception as error:  # noqa: BLE001 looked at by the test
            self.error = error

    @property
    def ended(self):
        return not self._thread.is_alive()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self.stop.set()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()


def published(bench, feed, number):
    """How many events of the row of this number are on the bus."""
    return len(bench.of(feed, key(number)))


def state_metric(bench, feed):
    """The states that the metrics show: one, if they are right."""

    def value(state):
        labels = {"force": feed.force, "domain": feed.domain, "state": state}
        return bench.metrics.registry.get_sample_value("alliance_hub_connector_state", labels)

    return [state for state in ("RUNNING", "PAUSED", "STOPPED", "FAILED") if value(state)]


class Operator:
    """Asks and looks as an operator does."""

    def __init__(self, bench, feed):
        self._bench, self._feed = bench, feed
        self._flow = Flow(bench.bus, bench.codec, [feed], refuse_backfill=refuse)

    def ask(self, verb):
        self._flow.ask(self._feed, verb, by="anna", reason="a test")

    def backfill(self, asked):
        self._flow.backfill(self._feed, asked, by="anna", reason="a test")

    def cancel(self):
        self._flow.cancel(self._feed)

    def close(self):
        self._flow.close()

    @property
    def status(self):
        return self._flow.status(self._feed)

    def wait(self, state):
        wait_until(lambda: self.status.state == state, lambda: f"it is {state}: {self.status}")

    def wishes(self):
        return Control(self._bench.bus, self._bench.codec).read(self._feed)


@pytest.fixture
def operator(bench, feed):
    """An operator of the test's `feed`."""
    with contextlib.closing(Operator(bench, feed)) as operator:
        yield operator
