"""A connector on a real Kafka: what it promises on the embedded bus holds there too."""

from contextlib import closing

import pytest

from connectors.removals import Held, accept_removals, show_removals
from connectors.reset import reset
from connectors.source import Row
from hub.backfill import Backfill
from hub.errors import FencedError
from tests.connecting import Bench, Running, balanced, batch, key, refused, row, shape
from tests.keeping import Kept, Operator, Played
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka


@pytest.fixture
def bench(tmp_path, fresh_broker):
    bench = Bench(tmp_path, f"kafka://{fresh_broker.address}")
    yield bench
    bench.close()


def test_changes_dead_letters_and_positions_outlive_a_connector_and_a_second_one_fences_the_first(bench):
    feed = bench.feed()
    large = Row(key(3), {"SUMMARY": "x" * (10 * 1024 * 1024)}, "line 3")
    bench.publish(feed, batch(row(1), row(2), refused(), large))

    again = bench.publish(feed, batch(), batch(row(1, "2"), row(2), refused()))
    with pytest.raises(FencedError):
        bench.publish(feed, batch(), batch(), lambda: taken_over(bench))

    assert again.read_from[0] == {"place": 1}
    assert shape(bench.of(feed, key(1)), "GRADE") == [(1, False, "1"), (2, False, "2")]
    assert shape(bench.of(feed, key(2)), "GRADE") == [(1, False, "1")]
    assert len(bench.dead_letters(feed)) == 2
    counts = bench.counts(feed)
    assert (counts["read"], counts["published"], counts["dead_lettered"], counts["unchanged"]) == (7, 3, 2, 2)
    assert balanced(counts)


def taken_over(bench):
    bench.bus.producer("leicestershire.incident.connector").close()
    return batch(row(9))


def test_a_held_removal_waits_for_a_person_and_goes_on(bench):
    feed = bench.feed("hr")
    people = [row(number, None, absent=("SURNAME",)) for number in range(10)]
    first = batch(*people, snapshot="a", snapshot_ends=True)
    second = batch(*people[:4], snapshot="b", snapshot_ends=True)

    with Running(bench, feed, first, second) as running:
        running.wait_until(lambda: bench.stopped(feed) == 1)
        assert show_removals(bench.bus, bench.codec, feed) == Held(6, 10)
        accept_removals(bench.bus, bench.codec, feed, 6)
        running.end()

    assert sum(event["deleted"] for event in bench.events(feed)) == 6
    assert show_removals(bench.bus, bench.codec, feed) is None


def test_it_is_paused_stopped_reset_and_backfilled_as_operators_ask(bench):
    feed = bench.feed()
    legacy = Played(row(101, "1"))
    reset(feed, bench.bus, bench.codec, None)  # other tests have left a position
    with closing(Operator(bench, feed)) as operator, Kept(bench, feed, legacy):
        wait_until(lambda: bench.of(feed, key(101)))
        operator.ask("pause")
        operator.wait("PAUSED")
        legacy.rows.append(row(101, "2"))
        operator.ask("resume")
        wait_until(lambda: len(bench.of(feed, key(101))) == 2)
        operator.ask("stop")
        operator.wait("STOPPED")
        legacy.rows.insert(0, row(109))
        reset(feed, bench.bus, bench.codec, None)
        operator.ask("resume")
        wait_until(lambda: bench.of(feed, key(109)))
        wait_until(lambda: operator.status.position == {"place": 3} and not operator.status.again)
        legacy.rows.insert(0, row(108))
        operator.backfill(Backfill(keys=frozenset([key(101), key(108)]), rate=1000))
        wait_until(
            lambda: (operator.status.progress or {}).get("phase") == "done", lambda: str(operator.status)
        )
        wait_until(lambda: operator.wishes().keys() == {"state"})
        assert operator.status.progress["published"] == 1
    assert shape(bench.of(feed, key(101)), "GRADE") == [(1, False, "1"), (2, False, "2")]
    assert (len(bench.of(feed, key(108))), len(bench.of(feed, key(109)))) == (1, 1)
