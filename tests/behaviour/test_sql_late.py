"""What a table with a watermark shows late, or behind the newest, is found; what is told complete is."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from connectors.source import Position, Row
from connectors.sources.sql import SqlSource
from tests.connecting import AT, INCIDENT_NUMBERS, INCIDENT_TEXTS, INCIDENTS, Legacy, key, shape


@pytest.fixture
def legacy(tmp_path):
    return Legacy(tmp_path / "legacy.db")


def test_in_the_october_night_the_rows_of_the_hour_that_comes_twice_are_all_published(bench, legacy):
    """At 02:00 the clock goes back to 01:00, and an hour of watermarks lies behind the newest."""
    legacy.incident(1, "2016-10-30 01:59:59", GRADE="1")
    feed = bench.feed()

    bench.read_database(
        feed,
        legacy,
        lambda: legacy.incident(2, "2016-10-30 01:00:00"),
        lambda: legacy.update(1, "2016-10-30 01:00:01", GRADE="2"),
        lambda: legacy.incident(3, "2016-10-30 02:00:00"),
    )

    assert shape(bench.of(feed, key(1)), "GRADE") == [(1, False, "1"), (2, False, "2")]
    assert len(bench.of(feed, key(2))) == len(bench.of(feed, key(3))) == 1
    assert [e["changed_at"] for e in bench.of(feed, key(2))] == [
        1477789200_000000
    ]  # 01:00 GMT, after the change


def test_a_transaction_that_commits_late_is_found_behind_the_newest(bench, legacy):
    legacy.incident(1, "2016-11-01 12:30:00")
    feed = bench.feed()

    bench.read_database(feed, legacy, lambda: legacy.incident(2, "2016-11-01 12:26:00"))

    assert len(bench.of(feed, key(2))) == 1


def rows_until_the_next_proof(source, position):
    """What is read until the source tells again what is complete, the keys of sweeps left out."""
    found: list[int] = []
    while True:
        batch = source.read(position)
        position = batch.position
        if not batch.keys_only:
            found += [row.values["INC_NO"] for row in batch.rows]
        if batch.complete_to is not None:
            return found, position


@pytest.fixture
def long_ago(legacy, monkeypatch):
    """Fills the table with rows that lie some time behind the newest, and has them read a few at a time."""
    monkeypatch.setattr("connectors.sources.sql_lanes.REST", 0)
    monkeypatch.setattr("connectors.sources.sql_lanes.ROWS", 10)

    def fill(at):
        legacy.incident(9, at)
        columns = ", ".join(
            name for name in f"{INCIDENT_TEXTS} {INCIDENT_NUMBERS}".split() if name != "INC_NO"
        )
        legacy.execute(
            "with recursive more(number) as "
            "(select 10 union all select number + 1 from more where number < 300) "
            f"insert into {INCIDENTS} (INC_NO, {columns}) select number, {columns} from more, {INCIDENTS} "
            "where INC_NO = 9"
        )

    return fill


@pytest.mark.parametrize(
    ("now", "newest", "late"),
    [
        pytest.param("2016-11-01 12:00:00", "2016-11-01 12:00:00", "2016-11-01 11:56:00", id="any day"),
        pytest.param("2016-10-30 01:00:05", "2016-10-30 01:59:59", "2016-10-30 01:00:04", id="October night"),
        pytest.param(
            "2016-10-30 01:10:05", "2016-10-30 01:59:59", "2016-10-30 01:00:04", id="and a fast clock"
        ),
        pytest.param("2016-10-30 02:04:00", "2016-10-30 02:03:00", "2016-10-30 01:59:00", id="an hour later"),
        pytest.param("2016-11-01 12:00:00", "2016-11-01 12:55:00", "2016-11-01 12:00:00", id="one ahead"),
    ],
)
def test_what_is_told_to_be_complete_holds_what_came_behind_the_newest(
    bench, legacy, long_ago, now, newest, late
):
    legacy.incident(1, newest)
    long_ago(str(datetime.fromisoformat(newest) - timedelta(minutes=115)))
    at = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()  # in winter local time is UTC
    source = SqlSource(bench.feed(overlap_every_seconds=0.001), legacy.url, None, clock=lambda: at)
    found, position = rows_until_the_next_proof(source, {})
    assert set(found) == {1, *range(9, 301)}

    legacy.incident(2, late)
    found, position = rows_until_the_next_proof(source, position)
    if 2 not in found:  # the scan that proved had begun before
        found, _ = rows_until_the_next_proof(source, position)
    source.close()
    assert 2 in found


def test_what_is_told_to_be_complete_holds_all_that_came_ahead_of_the_newest(bench, legacy, monkeypatch):
    monkeypatch.setattr("connectors.sources.sql_lanes.REST", 0)
    monkeypatch.setattr("connectors.sources.sql_lanes.ROWS", 10)
    legacy.incident(1, "2016-11-01 12:00:00")
    feed = bench.feed(overlap_every_seconds=0.001, sweep_seconds=None)
    source = SqlSource(feed, legacy.url, None)
    found, position = rows_until_the_next_proof(source, {})

    into = f"insert into {INCIDENTS} (INC_DATE, INC_NO, LAST_UPDATED) values ('2016-11-01', ?, ?)"
    legacy.execute(*((into, (number, "2016-11-01 12:00:01")) for number in range(2, 102)))
    inserted = time.time() * 1_000_000
    complete_to = 0
    while complete_to < inserted:
        batch = source.read(position)
        position, complete_to = batch.position, batch.complete_to or 0
        found += [row.values["INC_NO"] for row in batch.rows if isinstance(row, Row)]
    source.close()
    assert set(found) == set(range(1, 102))


def test_what_came_an_hour_behind_the_newest_is_found_though_completeness_does_not_wait_for_it(
    bench, legacy, long_ago
):
    legacy.incident(1, "2016-11-01 12:30:00")
    long_ago("2016-11-01 11:00:00")
    source = SqlSource(bench.feed(overlap_every_seconds=0.001, sweep_seconds=None), legacy.url, None)
    _, position = rows_until_the_next_proof(source, {})

    legacy.incident(2, "2016-11-01 11:30:00")
    found: list[int] = []
    while 2 not in found:
        found, position = rows_until_the_next_proof(source, position)
        assert len(found) < 150
    source.close()


def test_a_late_commit_while_the_connector_was_down_is_found_at_its_start(bench, legacy):
    legacy.incident(1, "2016-11-01 12:30:00")
    feed = bench.feed()
    bench.read_database(feed, legacy)

    legacy.incident(2, "2016-11-01 12:26:00")
    bench.read_database(feed, legacy)

    assert len(bench.of(feed, key(2))) == 1


def test_what_came_late_while_the_connector_was_down_is_read_before_anything_is_told_complete(bench, legacy):
    legacy.incident(1, "2016-11-01 12:30:00")
    feed = bench.feed()
    before = SqlSource(feed, legacy.url, None)
    _, position = rows_until_the_next_proof(before, {})
    before.close()

    legacy.incident(2, "2016-11-01 12:26:00")
    source = SqlSource(feed, legacy.url, None)
    found, _ = rows_until_the_next_proof(source, {"watermark": position["watermark"]})
    source.close()
    assert 2 in found


def test_at_high_rates_rows_behind_the_last_are_read_without_the_newest_second_again(
    bench, legacy, monkeypatch
):
    monkeypatch.setattr("connectors.sources.sql_lanes.REST", 1e9)
    legacy.incident(1, AT.format(1))
    feed = bench.feed(overlap_every_seconds=3600, sweep_seconds=None)

    def published(count):
        return lambda: len(bench.events(feed)) == count

    bench.read_database(
        feed,
        legacy,
        lambda: legacy.incident(2, AT.format(1)),
        lambda: legacy.incident(3, AT.format(2)),
        until=[published(1), published(2), published(3)],
    )

    assert bench.counts(feed)["unchanged"] <= 1


def test_a_clock_that_is_set_back_leaves_the_table_complete_and_read_again(bench, legacy):
    """It is set back all the time here, so that no moment is missed."""
    legacy.incident(7, AT.format(1))
    now = [2_000_000_000.0]

    def clock():
        now[0] -= 60
        return now[0]

    feed = bench.feed(overlap_every_seconds=0.001)
    source = SqlSource(feed, legacy.url, None, clock=clock)
    position: Position = {}
    proved: list[int] = []
    for _ in range(2000):
        batch = source.read(position)
        position = batch.position
        if batch.complete_to is not None:
            proved.append(batch.complete_to)
        if len(proved) == 4:
            break
    source.close()
    assert len(proved) == 4
    assert proved == sorted(proved, reverse=True)
