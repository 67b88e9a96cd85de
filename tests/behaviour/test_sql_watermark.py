"""A table with a watermark: every change becomes one event, and nothing else does."""

import pytest

from connectors.sources import open_source
from hub.errors import SourceChangedError
from tests.connecting import AT, INCIDENTS, Legacy, balanced, key, shape


@pytest.fixture
def legacy(tmp_path):
    return Legacy(tmp_path / "legacy.db")


def test_each_row_is_published_once_with_its_own_columns_and_no_others(bench, legacy):
    legacy.incident(7, AT.format(1), SUMMARY="Noise", RESTRICTED=0, EASTING=458000, CALLER_NAME="Callerwood")
    feed = bench.feed()

    bench.read_database(feed, legacy)

    (event,) = bench.events(feed)
    assert event["record_id"] == "urn:alliance:incident:leicestershire:command:2016-11-01:7"
    assert (event["system"], event["key"], event["source_version"]) == ("command", "2016-11-01:7", 1)
    assert event["row"]["SUMMARY"] == "Noise"
    assert event["row"]["RESTRICTED"] is False
    assert event["row"]["EASTING"] == 458000
    assert event["row"]["GRADE"] is None
    assert event["changed_at"] == 1478001601_000000
    assert b"Callerwood" not in b"".join(r.value for r in bench.bus.read_all(feed.topic))


def test_a_content_that_comes_back_is_a_version_of_its_own(bench, legacy):
    """A, B, A: three versions, for someone may have acted on B."""
    legacy.incident(7, AT.format(1), GRADE="1")
    feed = bench.feed()

    bench.read_database(
        feed,
        legacy,
        lambda: legacy.update(7, AT.format(2), GRADE="2"),
        lambda: legacy.update(7, AT.format(3), GRADE="1"),
    )

    assert shape(bench.of(feed, key(7)), "GRADE") == [(1, False, "1"), (2, False, "2"), (3, False, "1")]


def test_two_changes_within_one_second_are_two_versions(bench, legacy):
    legacy.incident(7, AT.format(1), GRADE="1")
    legacy.incident(8, AT.format(1), GRADE="1")
    feed = bench.feed()

    bench.read_database(feed, legacy, lambda: legacy.update(7, AT.format(1), GRADE="2"))

    assert shape(bench.of(feed, key(7)), "GRADE") == [(1, False, "1"), (2, False, "2")]
    assert len(bench.of(feed, key(8))) == 1


def test_two_changes_of_the_newest_second_are_seen_between_overlaps(bench, legacy):
    """The newest second is read again at each poll: an overlap an hour away is not waited for."""
    legacy.incident(7, AT.format(1), GRADE="1")
    legacy.incident(8, AT.format(1))
    feed = bench.feed(overlap_every_seconds=3600, sweep_seconds=None)
    published = [lambda: len(bench.events(feed)) == 2, lambda: len(bench.events(feed)) == 3]

    bench.read_database(feed, legacy, lambda: legacy.update(7, AT.format(1), GRADE="2"), until=published)

    assert shape(bench.of(feed, key(7)), "GRADE") == [(1, False, "1"), (2, False, "2")]


def test_a_row_deleted_and_made_again_takes_the_next_versions(bench, legacy):
    legacy.incident(7, AT.format(1), GRADE="1")
    feed = bench.feed(max_removed_percent=100)
    legacy.incident(1, AT.format(0))

    bench.read_database(
        feed,
        legacy,
        lambda: legacy.execute(f"delete from {INCIDENTS} where INC_NO = 7"),
        lambda: legacy.incident(7, AT.format(1), GRADE="1"),
    )

    assert shape(bench.of(feed, key(7)), "GRADE") == [(1, False, "1"), (2, True, None), (3, False, "1")]
    assert balanced(bench.counts(feed))


def test_a_flag_is_a_deletion_and_taking_it_away_brings_the_row_back(bench, legacy):
    legacy.incident(7, AT.format(1), GRADE="1")
    feed = bench.feed()

    bench.read_database(
        feed,
        legacy,
        lambda: legacy.update(7, AT.format(2), IS_DELETED=1),
        lambda: legacy.update(7, AT.format(3), IS_DELETED=0),
    )

    assert shape(bench.of(feed, key(7)), "IS_DELETED") == [
        (1, False, None),
        (2, True, True),
        (3, False, False),
    ]


def test_the_legacy_system_counts_its_rows_without_those_flagged(bench, legacy):
    for number, flag in ((1, 0), (2, 1), (3, None)):
        legacy.incident(number, AT.format(1), IS_DELETED=flag)
    source = open_source(bench.feed(), legacy.url, None)

    assert source.count() == 2
    source.close()


def test_a_row_flagged_before_it_was_ever_seen_is_no_event(bench, legacy):
    legacy.incident(7, AT.format(1), IS_DELETED=1)
    feed = bench.feed()

    bench.read_database(feed, legacy)

    assert bench.events(feed) == []
    assert balanced(bench.counts(feed))


def test_a_backfill_of_unchanged_rows_is_no_event(bench, legacy):
    for number in range(30):
        legacy.incident(number, AT.format(number), GRADE="1")
    feed = bench.feed()
    bench.read_database(feed, legacy)

    bench.read_database(feed, legacy)

    assert len(bench.events(feed)) == 30
    counts = bench.counts(feed)
    assert counts["published"] == 30
    assert counts["unchanged"] == counts["read"] - 30 > 0


def test_a_row_without_a_watermark_is_published_and_its_changes_too(bench, legacy):
    legacy.incident(1, AT.format(1))
    legacy.incident(2, None, GRADE="1")
    legacy.incident(3, "", GRADE="1")
    feed = bench.feed()

    bench.read_database(
        feed, legacy, lambda: legacy.update(2, None, GRADE="2"), lambda: legacy.update(3, "", GRADE="2")
    )

    assert shape(bench.of(feed, key(2)), "GRADE") == [(1, False, "1"), (2, False, "2")]
    assert shape(bench.of(feed, key(3)), "GRADE") == [(1, False, "1"), (2, False, "2")]


@pytest.mark.parametrize("odd", ["2099-12-31 23:59:59", "not a time", "9999"])
def test_a_watermark_that_is_no_time_yet_hides_no_later_change(bench, legacy, odd):
    legacy.incident(1, odd)
    legacy.incident(2, AT.format(1))
    feed = bench.feed()

    bench.read_database(feed, legacy, lambda: legacy.incident(3, AT.format(2)))
    bench.read_database(feed, legacy, lambda: legacy.incident(4, AT.format(3)))

    assert {e["key"] for e in bench.events(feed)} == {key(n) for n in (1, 2, 3, 4)}


def test_more_rows_than_a_page_of_one_second_are_all_read_once(bench, legacy):
    feed = bench.feed()
    rows = [
        (
            f"insert into {INCIDENTS} (INC_DATE, INC_NO, LAST_UPDATED) values (?, ?, ?)",
            ("2016-11-01", n, AT.format(1)),
        )
        for n in range(2500)
    ]

    bench.read_database(feed, legacy, lambda: legacy.execute(*rows))

    assert sorted(e["row"]["INC_NO"] for e in bench.events(feed)) == list(range(2500))


def test_keys_with_any_characters_stay_apart(bench, legacy):
    legacy.execute(
        (
            f"insert into {INCIDENTS} (INC_DATE, INC_NO, LAST_UPDATED) values (?, ?, ?)",
            ("a:b/é", 1, AT.format(1)),
        ),
        (
            f"insert into {INCIDENTS} (INC_DATE, INC_NO, LAST_UPDATED) values (?, ?, ?)",
            ("a", 1, AT.format(1)),
        ),
    )
    feed = bench.feed()

    bench.read_database(feed, legacy)

    assert sorted(e["key"] for e in bench.events(feed)) == ["a%3Ab%2F%C3%A9:1", "a:1"]


def test_a_watermark_may_be_a_number(bench, legacy):
    for number in (1, 2, 3):
        legacy.incident(number, None, NORTHING=100 + number)
    feed = bench.feed(watermark={"column": "NORTHING", "overlap_numbers": 10})

    bench.read_database(
        feed,
        legacy,
        lambda: legacy.incident(4, None, NORTHING=110),
        lambda: legacy.incident(5, None, NORTHING=105),
    )

    assert {e["key"] for e in bench.events(feed)} == {key(n) for n in (1, 2, 3, 4, 5)}
    assert bench.positions(feed).kept["watermark"] == 110


def test_a_table_s_own_version_number_is_the_version(bench, legacy):
    legacy.incident(7, AT.format(1), NORTHING=41)
    feed = bench.feed(version={"number": "NORTHING"})

    bench.read_database(feed, legacy, lambda: legacy.update(7, AT.format(2), NORTHING=43))

    assert [v for v, _ in shape(bench.of(feed, key(7)))] == [41, 43]


def test_a_table_s_own_time_of_change_is_the_version(bench, legacy):
    legacy.incident(7, AT.format(1), GRADE="1")
    feed = bench.feed(watermark={"column": "LAST_UPDATED"}, version={"time": "LAST_UPDATED"})

    bench.read_database(
        feed,
        legacy,
        lambda: legacy.update(7, AT.format(1), GRADE="2"),
        lambda: legacy.update(7, AT.format(2), GRADE="3"),
    )

    first = 1478001601_000000 * 1000  # the table's time is UTC, as it is not said to be local
    assert [v for v, _ in shape(bench.of(feed, key(7)))] == [first, first + 1, first + 1_000_000_000]


def test_a_table_whose_key_is_no_key_is_told_before_it_is_read_whole(bench, legacy, monkeypatch):
    monkeypatch.setattr("connectors.sources.sql_lanes.MOST_KEYLESS", 5)
    for _ in range(5):
        legacy.incident(None, AT.format(1))

    with pytest.raises(SourceChangedError, match="At least 5 rows have a null in a column of `key`"):
        bench.read_database(bench.feed(), legacy)
