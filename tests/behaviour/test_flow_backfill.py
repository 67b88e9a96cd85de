"""A backfill brings what was missed while live events go on, and never an older version."""

import datetime as dt
from collections.abc import Callable
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import pytest

from connectors.backfill import Backfiller
from connectors.publisher import Publisher, transactional_id
from connectors.source import Row
from connectors.sources import open_source
from connectors.sources.stated import columns
from hub.backfill import Backfill, read_backfill
from hub.control import backfills
from hub.errors import BadQueryError, SourceChangedError
from tests.connecting import Legacy, balanced, batch, key, row, shape
from tests.keeping import Kept, Played
from tests.waiting import wait_until


@pytest.fixture
def feed(bench):
    return bench.feed(sweep_seconds=None)


def keys(*numbers, rate=100_000):
    return Backfill(keys=frozenset(key(number) for number in numbers), rate=rate)


def span(since, until, rate=100_000):
    return Backfill(since=dt.datetime.fromisoformat(since), until=dt.datetime.fromisoformat(until), rate=rate)


def over(operator):
    progress = operator.status.progress
    return progress is not None and progress["phase"] in {"done", "cancelled", "failed"}


def missed(bench, feed, *rows, live=()):
    """What a source holds where the live reading went past `rows` and reads `live` next."""
    bench.publish(feed, *(batch() for _ in rows))  # its position is beyond as many
    return Played(*rows, *live)


class Opened(NamedTuple):
    """What makes a source of its own."""

    source: Callable[[], Any]


def test_of_a_log_the_last_row_of_each_key_is_taken_and_no_older_one(bench, feed, operator):
    legacy = missed(bench, feed, row(1, "1"), row(2), row(1, "2"), row(3), row(1, "3"), live=[row(4)])
    legacy.most = 2
    operator.backfill(keys(1, 3))
    with Kept(bench, feed, legacy):
        wait_until(lambda: over(operator), lambda: str(operator.status))
        wait_until(lambda: bench.of(feed, key(4)))
    assert shape(bench.of(feed, key(1)), "GRADE") == [(1, False, "3")]
    assert (len(bench.of(feed, key(2))), len(bench.of(feed, key(3)))) == (0, 1)
    progress = operator.status.progress
    assert (progress["phase"], progress["read"], progress["published"]) == ("done", 6, 2)
    assert operator.wishes() == {}
    assert legacy.open == 0
    assert balanced(bench.counts(feed))


def test_what_is_as_it_was_published_is_no_new_version(bench, feed, operator):
    legacy = Played(row(1, "1"), row(1, "2"), row(2))
    with Kept(bench, feed, legacy):
        wait_until(lambda: len(bench.events(feed)) == 3)
        operator.backfill(keys(1, 2))
        wait_until(lambda: over(operator))
    assert len(bench.events(feed)) == 3
    assert (operator.status.progress["published"], operator.status.progress["unchanged"]) == (0, 2)


def test_what_the_live_reading_meets_meanwhile_is_newer_than_what_was_gathered(bench, feed, operator):
    legacy = missed(bench, feed, row(1, "1"), row(2, "1"))
    come: list[Row] = []

    def as_soon_as_all_was_gathered():
        progress = operator.status.progress
        if progress is not None and progress["phase"] == "waiting" and not come:
            come.append(row(1, "9"))
            legacy.rows.extend(come)

    legacy.before_read = as_soon_as_all_was_gathered
    operator.backfill(keys(1, 2))
    with Kept(bench, feed, legacy):
        wait_until(lambda: over(operator), lambda: str(operator.status))
    assert shape(bench.of(feed, key(1)), "GRADE") == [(1, False, "9")]
    assert shape(bench.of(feed, key(2)), "GRADE") == [(1, False, "1")]


def test_rows_that_are_gone_when_they_are_to_be_taken_are_told(bench, feed, operator):
    legacy = missed(bench, feed, row(1), row(2))

    def one_goes_once_all_was_read():
        progress = operator.status.progress
        if progress is not None and progress["phase"] == "waiting":
            legacy.rows[0] = row(3)

    legacy.before_read = one_goes_once_all_was_read
    operator.backfill(keys(1, 2))
    with Kept(bench, feed, legacy):
        wait_until(lambda: over(operator), lambda: str(operator.status))
    progress = operator.status.progress
    assert (progress["phase"], progress["published"]) == ("done", 1)
    assert progress["error"] == "1 rows were gone when they were to be taken"
    assert [event["key"] for event in bench.events(feed)] == [key(2)]


def test_a_time_is_that_of_change_or_of_creation(bench, feed, operator):
    day = dt.datetime(2016, 11, 2, tzinfo=dt.UTC)
    changed = int(day.timestamp() * 1_000_000)

    def made(number, created, at=None):
        values = {"INC_NO": number, "INC_DATE": "2016-11-01", "CREATED": created, "GRADE": "1"}
        return Row(key(number), values, f"line {number}", changed_at=at)

    legacy = missed(
        bench,
        feed,
        made(1, "2016-11-02 10:00:00"),
        made(2, "2016-11-01 10:00:00"),
        made(3, "2016-11-01 10:00:00", changed),
        made(4, "no date"),
        made(5, "2016-11-03 00:00:00"),
    )
    operator.backfill(span("2016-11-02T00:00:00+00:00", "2016-11-03T00:00:00+00:00"))
    with Kept(bench, feed, legacy):
        wait_until(lambda: over(operator), lambda: str(operator.status))
    assert {event["key"] for event in bench.events(feed)} == {key(1), key(3)}


def test_a_table_is_read_from_the_time_asked_for_and_its_rows_taken_as_they_are(
    bench, feed, operator, tmp_path
):
    legacy = Legacy(tmp_path / "legacy.db")
    legacy.incident(1, "2016-11-05 10:00:00")
    with Kept(bench, feed, Opened(lambda: open_source(feed, legacy.url, None))):
        wait_until(lambda: len(bench.events(feed)) == 1)
        legacy.incident(2, "2016-11-02 10:00:00", GRADE="1")  # days behind the overlap: nobody reads it
        legacy.incident(3, "2016-10-02 10:00:00")
        legacy.incident(4, "2016-11-05 11:00:00")
        wait_until(lambda: bench.of(feed, key(4)))
        assert not bench.of(feed, key(2))
        operator.backfill(span("2016-11-01T00:00:00+00:00", "2016-11-05T00:00:00+00:00"))
        wait_until(lambda: over(operator), lambda: str(operator.status))
        legacy.update(2, "2016-11-05 12:00:00", GRADE="2")
        wait_until(lambda: len(bench.of(feed, key(2))) == 2)
    assert operator.status.progress["read"] < 4, "rows well before the time are not read"
    assert shape(bench.of(feed, key(2)), "GRADE") == [(1, False, "1"), (2, False, "2")]
    assert not bench.of(feed, key(3))


@pytest.mark.parametrize(
    ("current", "snapshot"),
    [(True, None), (False, None), (False, "today's")],
    ids=["rows of a query", "rows of a log", "rows of a snapshot"],
)
def test_a_backfill_outlives_its_process_and_publishes_nothing_twice(
    bench, feed, operator, current, snapshot
):
    legacy = missed(bench, feed, *(row(number) for number in range(40)))
    legacy.most = 1
    legacy.batch = {"current": current}
    legacy.snapshot = snapshot
    legacy.second_stalls_at = 6
    operator.backfill(keys(*range(40)))
    with Kept(bench, feed, legacy):
        wait_until(lambda: (operator.status.progress or {}).get("error") == "no answer")
    assert not over(operator)
    with Kept(bench, feed, legacy):
        wait_until(lambda: over(operator), lambda: str(operator.status))
    assert [event["source_version"] for event in bench.events(feed)] == [1] * 40
    assert operator.status.progress["published"] == 40
    assert operator.status.progress["read"] == 40, "it went on where it was"
    assert balanced(bench.counts(feed))


def test_a_backfill_can_be_cancelled(bench, feed, operator):
    legacy = missed(bench, feed, *(row(number) for number in range(100)))
    legacy.most = 1
    operator.backfill(keys(*range(100), rate=0.01))
    with Kept(bench, feed, legacy):
        wait_until(lambda: operator.status.progress is not None)
        with pytest.raises(BadQueryError, match="wait for its end, or cancel it"):
            operator.backfill(keys(1))
        operator.cancel()
        wait_until(lambda: over(operator))
    assert operator.status.progress["phase"] == "cancelled"
    assert operator.wishes() == {}
    with pytest.raises(BadQueryError, match="no backfill to cancel"):
        operator.cancel()


def test_a_backfill_that_its_source_refuses_fails_alone(bench, feed, operator):
    legacy = missed(bench, feed, row(1), live=[row(2)])
    live = legacy.source()

    class Refuses:
        def read(self, position):
            if "place" in position:
                return live.read(position)
            raise SourceChangedError("older pages have gone")

        def close(self):
            pass

    operator.backfill(keys(1))
    with Kept(bench, feed, Opened(Refuses)):
        wait_until(lambda: over(operator))
        wait_until(lambda: bench.of(feed, key(2)))
        assert operator.status.state == "RUNNING"
    progress = operator.status.progress
    assert (progress["phase"], progress["error"]) == ("failed", "older pages have gone")
    assert operator.wishes() == {}


@contextmanager
def stepping(bench, feed, legacy, clock=lambda: 0.0):
    """What takes a step of a backfill, by a clock of the test's own, as a connector does after a batch."""
    fields = [column.field for column in columns(feed)]
    with closing(bench.bus.producer(transactional_id(feed))) as producer:
        publisher = Publisher(feed, fields, bench.bus, bench.codec, producer, lambda _: None)
        backfill = Backfiller(feed, legacy.source, clock=clock)
        yield lambda wish: backfill.step(publisher, wish, 1, live_since=None)
        backfill.let_go()
        publisher.close()


def test_one_asked_for_as_soon_as_another_is_cancelled_is_not_withdrawn_with_it(bench, feed, operator):
    legacy = Played(row(1))
    legacy.batch = {"current": True}
    operator.backfill(keys(1))
    (first,) = backfills(operator.wishes())
    with stepping(bench, feed, legacy) as step:
        operator.cancel()
        operator.backfill(keys(1))
        (second,) = backfills(operator.wishes())
        assert step(first)  # the connector has not looked since, and comes to the end of the first
        assert operator.status.progress["phase"] == "done"
        assert backfills(operator.wishes()) == [second]
        assert step(second)
    assert operator.status.progress["id"] == second.value["id"]
    assert operator.wishes() == {}


def test_it_goes_on_while_the_next_live_batch_is_not_due(bench, operator):
    feed = bench.feed(sweep_seconds=None, poll_seconds=3600)
    legacy = missed(bench, feed, *(row(number) for number in range(40)))
    legacy.most = 1
    legacy.batch = {"current": True}
    with Kept(bench, feed, legacy):
        wait_until(lambda: legacy.reads)
        operator.backfill(keys(*range(40)))
        wait_until(lambda: over(operator), lambda: str(operator.status))
        operator.ask("pause")
        operator.wait("PAUSED")
    assert operator.status.progress["published"] == 40
    assert legacy.opened == 2


def test_it_reads_no_faster_than_it_was_told(bench, feed, operator):
    legacy = Played(*(row(number) for number in range(1000)))
    legacy.most = 10
    legacy.batch = {"current": True}
    operator.backfill(keys(*range(1000), rate=50))
    (wish,) = backfills(operator.wishes())
    now = 0.0
    with stepping(bench, feed, legacy, lambda: now) as step:
        for _ in range(100):
            step(wish)
            now += 0.1
    assert 490 <= legacy.reads * 10 <= 520


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "of keys, or of a time"),
        ({"since": "2016-11-02T00:00:00Z"}, "both needed"),
        ({"since": "2016-11-02T00:00:00Z", "until": "2016-11-01T00:00:00Z"}, "the later one"),
        ({"since": "2016-11-02T00:00:00", "until": "2016-11-03T00:00:00"}, "since: .*timezone"),
        ({"keys": ["a"], "since": "2016-11-02T00:00:00Z"}, "of keys, or of a time"),
        ({"keys": ["a"], "rate": 0}, "rate: .*greater than 0"),
        ({"keys": ["a"], "speed": 1}, "speed: .*not permitted"),
    ],
)
def test_what_makes_no_backfill_is_refused_in_words(asked, said):
    with pytest.raises(BadQueryError, match=said):
        read_backfill(asked)
