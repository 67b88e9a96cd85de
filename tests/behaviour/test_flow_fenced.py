"""A connector whose place another process took, or seems to have taken, stands by and may come back."""

import pytest

from connectors import keeper, states
from connectors.others import Others
from hub.control import ConnectorState
from hub.errors import BadRecordError, FencedError, TransientError
from tests.connecting import row
from tests.keeping import Kept, Played, published, state_metric
from tests.waiting import wait_until


@pytest.fixture
def feed(bench):
    return bench.feed()


def fence(bench):
    bench.bus.producer("leicestershire.incident.connector").close()


def test_a_fenced_connector_stands_by_and_an_operator_can_have_it_back(bench, feed, operator):
    legacy = Played(row(1))
    with Kept(bench, feed, legacy) as kept:
        wait_until(lambda: published(bench, feed, 1))
        operator.wait("RUNNING")
        fence(bench)
        legacy.rows.append(row(2))
        wait_until(lambda: kept.told[-1][0] == "FAILED")
        assert "stands by" in kept.told[-1][1]
        assert published(bench, feed, 2) == 0
        assert state_metric(bench, feed) == ["FAILED"]
        assert operator.status.state == "RUNNING", "the one that was fenced says nothing more on the bus"
        operator.ask("restart")
        wait_until(lambda: published(bench, feed, 2))
        operator.wait("RUNNING")
        assert not kept.ended


def test_a_fenced_connector_comes_back_by_itself_where_nobody_else_is_heard(bench, feed, monkeypatch):
    monkeypatch.setattr(keeper, "STAND_BY_SECONDS", 0.1)
    legacy = Played(row(1))
    with Kept(bench, feed, legacy):
        wait_until(lambda: published(bench, feed, 1))
        fence(bench)
        legacy.rows.append(row(2))
        wait_until(lambda: published(bench, feed, 2))


def test_who_has_a_supervisor_is_told_of_a_takeover(bench, feed):
    legacy = Played(row(1))
    with Kept(bench, feed, legacy, longest_pause=0.0) as kept:
        wait_until(lambda: published(bench, feed, 1))
        fence(bench)
        legacy.rows.append(row(2))
        wait_until(lambda: kept.ended)
        assert isinstance(kept.error, FencedError)
    assert published(bench, feed, 2) == 0


@pytest.mark.parametrize(
    "error", [TransientError("the broker is away"), BadRecordError("is of a newer release")]
)
def test_silence_counts_from_the_last_word_and_not_while_positions_cannot_be_read(
    bench, feed, monkeypatch, error
):
    now = [100.0]
    others = Others(feed, bench.bus, bench.codec, clock=lambda: now[0])

    def after(seconds):
        now[0] += seconds
        return others.silent_seconds()

    def another_says(state):
        producer = bench.bus.producer("leicestershire.incident.connector")
        states.States(feed, bench.codec, bench.metrics).now(producer, state)
        producer.close()

    assert after(0) == 0
    assert after(30) == 30
    another_says(ConnectorState.RUNNING)
    assert after(30) == 0
    assert after(30) == 30
    with monkeypatch.context() as broken:
        broken.setattr(bench.bus, "read_all", lambda _topic: raises(error))
        assert after(30) == 0
    assert after(30) == 30


def raises(error):
    raise error
