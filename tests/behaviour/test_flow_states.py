"""A connector is as operators ask for it, over every restart; one that failed shows why and tries again."""

import threading

import pytest

from connectors import keeper, states
from connectors.removals import accept_removals
from connectors.source import Batch
from hub.errors import SourceChangedError, TransientError
from tests.connecting import balanced, row
from tests.keeping import Kept, Played, published, state_metric
from tests.waiting import PATIENCE_SECONDS, wait_until


@pytest.fixture
def feed(bench):
    return bench.feed(max_bad_percent=100)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(keeper, "FIRST_PAUSE_SECONDS", 0.01)


@pytest.mark.parametrize("state", ["RUNNING", "PAUSED"])
def test_it_tells_that_it_is_there_however_far_apart_its_readings_are(bench, operator, monkeypatch, state):
    monkeypatch.setattr(states, "HEARTBEAT_SECONDS", 0.01)
    feed = bench.feed(poll_seconds=3600)
    labels = {"stage": "read", "force": feed.force, "domain": feed.domain}
    with Kept(bench, feed, Played(row(1))):
        wait_until(lambda: published(bench, feed, 1))
        if state == "PAUSED":
            operator.ask("pause")
        operator.wait(state)
        heard = operator.status.heard_at
        moved = bench.metrics.registry.get_sample_value(
            "alliance_hub_last_progress_timestamp_seconds", labels
        )
        wait_until(lambda: operator.status.heard_at > heard)
        wait_until(
            lambda: (
                bench.metrics.registry.get_sample_value(
                    "alliance_hub_last_progress_timestamp_seconds", labels
                )
                > moved
            )
        )


def test_a_paused_connector_reads_nothing_keeps_its_source_and_goes_on_where_it_was(bench, feed, operator):
    legacy = Played(row(1))
    with Kept(bench, feed, legacy):
        wait_until(lambda: published(bench, feed, 1))
        operator.ask("pause")
        operator.wait("PAUSED")
        assert state_metric(bench, feed) == ["PAUSED"]
        reads = legacy.reads
        legacy.rows.append(row(2))
        since = bench.metrics.registry.get_sample_value(
            "alliance_hub_last_progress_timestamp_seconds",
            {"stage": "read", "force": feed.force, "domain": feed.domain},
        )
        wait_until(
            lambda: (
                bench.metrics.registry.get_sample_value(
                    "alliance_hub_last_progress_timestamp_seconds",
                    {"stage": "read", "force": feed.force, "domain": feed.domain},
                )
                > since
            )
        )
        assert (legacy.reads, legacy.open) == (reads, 1)
        operator.ask("resume")
        wait_until(lambda: published(bench, feed, 2))
        operator.wait("RUNNING")
        assert (legacy.opened, published(bench, feed, 1)) == (1, 1)


def test_a_stopped_connector_lets_go_and_stays_stopped_over_restarts_until_it_is_resumed(
    bench, feed, operator
):
    legacy = Played(row(1))
    with Kept(bench, feed, legacy):
        wait_until(lambda: published(bench, feed, 1))
        operator.ask("stop")
        operator.wait("STOPPED")
        wait_until(lambda: legacy.open == 0)
    legacy.rows.append(row(2))
    with Kept(bench, feed, legacy) as kept:
        wait_until(lambda: ("STOPPED", "") in kept.told)
        assert (legacy.opened, published(bench, feed, 2)) == (1, 0)
        operator.ask("resume")
        wait_until(lambda: published(bench, feed, 2))
        operator.wait("RUNNING")
    assert published(bench, feed, 1) == 1


@pytest.mark.parametrize("verb", [None, "pause"])
def test_a_connector_whose_process_ends_in_order_is_at_once_one_that_nobody_runs(bench, feed, operator, verb):
    legacy = Played(row(1))
    with Kept(bench, feed, legacy):
        wait_until(lambda: published(bench, feed, 1))
        operator.wait("RUNNING")
        if verb is not None:
            operator.ask(verb)
            operator.wait("PAUSED")
    ended = operator.status
    assert (ended.state, ended.runs, ended.error) == ("UNASSIGNED", False, "")
    assert ended.asked == ("PAUSED" if verb else "RUNNING")
    with Kept(bench, feed, legacy):
        operator.wait(ended.asked)
    assert published(bench, feed, 1) == 1


@pytest.mark.usefixtures("impatient")
def test_a_connector_that_failed_has_still_failed_when_its_process_has_ended(bench, feed, operator):
    legacy = Played()
    legacy.error = SourceChangedError("column GRADE is gone")
    with Kept(bench, feed, legacy):
        operator.wait("FAILED")
    assert (operator.status.state, operator.status.error) == ("FAILED", "column GRADE is gone")


def test_a_connector_stopped_while_nobody_ran_it_says_so_when_it_is_started(bench, feed, operator):
    legacy = Played(row(1))
    operator.ask("stop")
    assert operator.status.state == "UNASSIGNED"
    with Kept(bench, feed, legacy):
        operator.wait("STOPPED")
        assert (legacy.opened, bench.events(feed)) == (0, [])


@pytest.mark.usefixtures("impatient")
def test_a_failed_connector_shows_its_error_and_tries_again_by_itself(bench, feed, operator):
    legacy = Played(row(1))
    legacy.error = SourceChangedError("column GRADE is gone")
    with Kept(bench, feed, legacy) as kept:
        operator.wait("FAILED")
        wait_until(lambda: legacy.reads > 3)
        status = operator.status
        assert (status.error, status.asked, status.since is not None) == (
            "column GRADE is gone",
            "RUNNING",
            True,
        )
        assert (bench.stopped(feed), state_metric(bench, feed)) == (1, ["FAILED"])
        assert kept.told[-1] == ("FAILED", "column GRADE is gone")
        legacy.error = None
        wait_until(lambda: published(bench, feed, 1))
        operator.wait("RUNNING")
        wait_until(lambda: kept.told[-1] == ("RUNNING", ""))
        assert (bench.stopped(feed), operator.status.error) == (0, "")
        assert operator.status.since > status.since


@pytest.mark.usefixtures("impatient")
def test_it_stays_failed_since_the_first_failure_while_its_tries_fail(bench, feed, operator):
    legacy = Played()
    legacy.error = SourceChangedError("one")
    with Kept(bench, feed, legacy):
        operator.wait("FAILED")
        since = operator.status.since
        legacy.error = SourceChangedError("another")
        wait_until(lambda: operator.status.error == "another")
        assert operator.status.since == since


def test_pauses_grow_to_the_longest_and_a_restart_ends_one_at_once(bench, feed, operator, monkeypatch):
    monkeypatch.setattr(keeper, "FIRST_PAUSE_SECONDS", 100_000.0)
    legacy = Played(row(1))
    legacy.error = SourceChangedError("a column is gone")
    with Kept(bench, feed, legacy, longest_pause=100_000.0):
        operator.wait("FAILED")
        legacy.error = None
        operator.ask("restart")
        wait_until(lambda: published(bench, feed, 1))
        operator.wait("RUNNING")


def test_a_restart_opens_the_source_anew_and_loses_nothing(bench, feed, operator):
    legacy = Played(row(1))
    with Kept(bench, feed, legacy):
        wait_until(lambda: published(bench, feed, 1))
        operator.ask("restart")
        wait_until(lambda: (legacy.opened, legacy.open) == (2, 1))
        legacy.rows.append(row(2))
        wait_until(lambda: published(bench, feed, 2))
    assert published(bench, feed, 1) == 1


@pytest.mark.usefixtures("impatient")
def test_a_defect_is_told_and_tried_again(bench, feed, operator):
    legacy = Played(row(1))
    legacy.error = KeyError("oops")
    with Kept(bench, feed, legacy):
        operator.wait("FAILED")
        assert "a defect of the hub (KeyError)" in operator.status.error
        assert "oops" not in operator.status.error
        legacy.error = None
        operator.wait("RUNNING")


def test_who_has_a_supervisor_is_told_of_the_first_failure(bench, feed, operator):
    legacy = Played()
    legacy.error = SourceChangedError("a column is gone")
    with Kept(bench, feed, legacy, longest_pause=0.0) as kept:
        wait_until(lambda: kept.ended)
        assert kept.error is legacy.error
    assert operator.status.state == "FAILED"


def test_what_may_mend_by_itself_is_told_while_the_connector_runs(bench, feed, operator):
    legacy = Played(row(1))
    legacy.error = TransientError("the database does not answer")
    with Kept(bench, feed, legacy):
        wait_until(lambda: operator.status.error == "the database does not answer")
        assert operator.status.state == "RUNNING"
        legacy.error = None
        wait_until(lambda: operator.status.error == "")


def test_a_held_connector_has_failed_until_its_removals_are_accepted_and_can_be_stopped(
    bench, feed, operator
):
    legacy = Played(*(row(number) for number in range(10)))
    legacy.most = 10
    with Kept(bench, feed, legacy):
        wait_until(lambda: published(bench, feed, 9))
    legacy.rows = [None] * 10 + [row(number) for number in range(4)]
    legacy.snapshot = "b"
    with Kept(bench, feed, legacy):
        operator.wait("FAILED")
        assert "would remove 6 of 10" in operator.status.error
        assert operator.status.held == {"removals": 6, "live": 10}
        operator.ask("stop")
        operator.wait("STOPPED")
        wait_until(lambda: legacy.open == 0)
        accept_removals(bench.bus, bench.codec, feed, 6)
        operator.ask("resume")
        operator.wait("RUNNING")
        wait_until(lambda: operator.status.held is None)
    assert sum(event["deleted"] for event in bench.events(feed)) == 6


class Committing:
    """A bus whose producers call `first` with themselves before each commit of events."""

    def __init__(self, bus, first):
        self._bus, self._first = bus, first

    def __getattr__(self, name):
        return getattr(self._bus, name)

    def producer(self, name):
        return _Producer(self._bus.producer(name), self._first)


class _Producer:
    def __init__(self, producer, first):
        self._producer, self._first = producer, first
        self._sent = False

    def __getattr__(self, name):
        return getattr(self._producer, name)

    def send(self, topic, *args, **more):
        self._sent |= ".incident." in topic
        self._producer.send(topic, *args, **more)

    def commit(self):
        if self._sent:
            self._first(self._producer)
        self._producer.commit()


def test_what_was_never_committed_is_never_counted(bench, feed):
    failures = [TransientError("the bus does not answer")]

    def fail_once(producer):
        if failures:
            producer.abort()
            raise failures.pop()

    bench.bus = Committing(bench.bus, fail_once)
    bench.publish(feed, Batch([row(1), row(2)], {}))
    metrics = {
        outcome: bench.metrics.registry.get_sample_value(
            "alliance_hub_records_total",
            {"stage": "read", "force": feed.force, "domain": feed.domain, "outcome": outcome},
        )
        for outcome in bench.counts(feed)
    }
    assert failures == []
    assert metrics == bench.counts(feed)
    assert (metrics["read"], metrics["published"]) == (2, 2)
    assert balanced(metrics)


def test_nothing_is_read_ahead_of_a_bus_that_is_slow(bench, feed):
    legacy = Played(*(row(number) for number in range(100)))
    legacy.most = 10
    commits, opened = [], threading.Event()

    def wait_for_it(producer):
        commits.append(producer)
        assert opened.wait(PATIENCE_SECONDS)

    bench.bus = Committing(bench.bus, wait_for_it)
    with Kept(bench, feed, legacy) as kept:
        wait_until(lambda: len(commits) == 1)
        assert not kept.stop.wait(0.2)
        assert (legacy.reads, bench.events(feed)) == (1, [])
        opened.set()
        wait_until(lambda: len(bench.events(feed)) == 100)
