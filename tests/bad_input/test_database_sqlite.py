"""Databases that are down, gone, changed or odd: nothing is lost, and the message says what to do."""

import json
import stat

import pytest

from connectors.sources import check_source, open_source
from hub.errors import ConfigurationError, SourceChangedError, TransientError
from tests.connecting import AT, INCIDENTS, Legacy, balanced, key, shape


@pytest.fixture
def legacy(tmp_path):
    folder = tmp_path / "legacy"
    folder.mkdir()
    return Legacy(folder / "legacy.db")


class Trying:
    """A source that does something after each failure that may pass, and counts them."""

    def __init__(self, source, *repairs):
        self._source = source
        self._repairs = list(repairs)
        self.failures = []

    def read(self, position):
        try:
            return self._source.read(position)
        except TransientError as error:
            self.failures.append(str(error))
            if self._repairs:
                self._repairs.pop(0)()
            raise

    def close(self):
        self._source.close()


def test_a_database_that_is_down_at_the_start_is_tried_until_it_is_there(bench, legacy):
    legacy.incident(1, AT.format(1))
    away = legacy.path.with_name("away.db")
    legacy.path.rename(away)
    feed = bench.feed()
    source = Trying(open_source(feed, legacy.url, None), lambda: None, lambda: away.rename(legacy.path))

    bench.connect(feed, source)

    assert len(bench.of(feed, key(1))) == 1
    assert len(source.failures) == 2
    assert "does not answer" in source.failures[0]
    assert "by itself" in source.failures[0]


def test_a_database_that_goes_away_midway_is_read_on_once_it_is_back(bench, legacy):
    legacy.incident(1, AT.format(1))
    away = legacy.path.with_name("away.db")
    feed = bench.feed()
    source = Trying(open_source(feed, legacy.url, None), lambda: away.rename(legacy.path))

    def go_away():
        legacy.incident(2, AT.format(2))
        legacy.path.rename(away)

    bench.connect(feed, source, go_away)

    assert [len(bench.of(feed, key(n))) for n in (1, 2)] == [1, 1]
    assert len(source.failures) == 1
    assert balanced(bench.counts(feed))


def test_a_database_file_that_is_replaced_is_read_in_its_place(bench, legacy, tmp_path):
    legacy.incident(1, AT.format(1))
    feed = bench.feed()

    def restore_a_copy():
        copy = Legacy(tmp_path / "copy.db")
        copy.incident(1, AT.format(1))
        copy.incident(2, AT.format(2))
        copy.path.replace(legacy.path)

    bench.read_database(feed, legacy, restore_a_copy)

    assert len(bench.of(feed, key(2))) == 1


def rename_column(legacy):
    legacy.execute(f"alter table {INCIDENTS} rename column GRADE to RESPONSE_GRADE")


def test_a_column_that_was_renamed_stops_the_source_at_the_start(bench, legacy):
    legacy.incident(1, AT.format(1), GRADE="1")
    rename_column(legacy)
    feed = bench.feed()

    with pytest.raises(
        SourceChangedError, match=r"'V_INCIDENT'.*no column 'GRADE'.*'RESPONSE_GRADE'.*\"column\""
    ):
        bench.read_database(feed, legacy)

    assert bench.events(feed) == []
    assert bench.stopped(feed) == 1


def test_a_column_renamed_while_reading_stops_the_source_and_invents_nothing(bench, legacy):
    """SQLite takes a quoted name that is no column for a text; the name must not become a value."""
    legacy.incident(1, AT.format(1), GRADE="1")
    feed = bench.feed()

    def change():
        rename_column(legacy)
        legacy.incident(2, AT.format(2))

    with pytest.raises(SourceChangedError, match="no column 'GRADE'"):
        bench.read_database(feed, legacy, change)

    assert shape(bench.events(feed), "GRADE") == [(1, False, "1")]


def test_after_the_renaming_is_undone_reading_goes_on_where_it_stopped(bench, legacy):
    legacy.incident(1, AT.format(1), GRADE="1")
    feed = bench.feed()
    with pytest.raises(SourceChangedError):
        bench.read_database(feed, legacy, lambda: rename_column(legacy))
    legacy.execute(f"alter table {INCIDENTS} rename column RESPONSE_GRADE to GRADE")
    legacy.incident(2, AT.format(2), GRADE="2")

    bench.read_database(feed, legacy)

    assert [e["row"]["GRADE"] for e in bench.events(feed)] in (["1", "2"], ["2", "1"])


def test_a_table_that_is_gone_stops_the_source(bench, legacy):
    legacy.execute(f"drop table {INCIDENTS}")

    with pytest.raises(SourceChangedError, match="has no table or view 'V_INCIDENT'"):
        bench.read_database(bench.feed(), legacy)


def test_a_file_that_is_no_database_is_tried_again_not_lost(bench, legacy):
    legacy.incident(1, AT.format(1))
    content = legacy.path.read_bytes()
    legacy.path.write_bytes(b"no database" * 1000)
    feed = bench.feed()
    source = Trying(open_source(feed, legacy.url, None), lambda: legacy.path.write_bytes(content))

    bench.connect(feed, source)

    assert len(bench.of(feed, key(1))) == 1


def test_text_that_is_no_text_is_a_dead_letter_and_the_rows_beside_it_go_on(bench, legacy):
    legacy.incident(1, AT.format(1), SUMMARY="first")
    legacy.incident(2, AT.format(1))
    legacy.execute(f"update {INCIDENTS} set SUMMARY = cast(x'ff41' as text) where INC_NO = 2")
    legacy.incident(3, AT.format(1), SUMMARY="third")
    feed = bench.feed()

    bench.read_database(feed, legacy)

    assert {e["key"] for e in bench.events(feed)} == {key(1), key(3)}
    (letter,) = bench.dead_letters(feed)
    assert "SUMMARY" in letter["reason"]
    assert json.loads(letter["value"])["SUMMARY"] == "\udcffA"
    assert balanced(bench.counts(feed))


def test_a_nul_byte_in_a_text_is_carried_as_it_is(bench, legacy):
    legacy.incident(1, AT.format(1), SUMMARY="a\0b")
    feed = bench.feed()

    bench.read_database(feed, legacy)

    assert bench.events(feed)[0]["row"]["SUMMARY"] == "a\0b"


def test_a_value_that_its_column_cannot_hold_is_blank_and_the_place_says_so(bench, legacy):
    """A bad coordinate must not hide an emergency."""
    legacy.incident(1, AT.format(1), EASTING="north of the bridge", SUMMARY="help", POSTCODE=b"\x00\x01")
    legacy.incident(2, AT.format(1), EASTING=458000.0, NORTHING="304000")
    feed = bench.feed()

    bench.read_database(feed, legacy)

    (odd,) = bench.of(feed, key(1))
    assert (odd["row"]["EASTING"], odd["row"]["POSTCODE"], odd["row"]["SUMMARY"]) == (None, None, "help")
    assert odd["source_position"] == "V_INCIDENT 2016-11-01:1; unreadable: POSTCODE, EASTING"
    (right,) = bench.of(feed, key(2))
    assert (right["row"]["EASTING"], right["row"]["NORTHING"]) == (458000, 304000)


def test_a_column_that_changed_its_type_stops_the_source(bench, legacy):
    for number in range(60):
        legacy.incident(number, AT.format(1), EASTING="SK 58000")

    with pytest.raises(
        SourceChangedError, match="column 'EASTING' of 'V_INCIDENT' holds no long in 60 of 60"
    ):
        bench.read_database(bench.feed(), legacy)


@pytest.mark.parametrize("number", [None, ""], ids=["null", "blank"])
def test_rows_without_a_key_are_dead_letters_once_and_the_good_ones_go_on(bench, legacy, number):
    legacy.incident(number, AT.format(1), SUMMARY="a")
    legacy.incident(number, AT.format(1), SUMMARY="b")
    for good in range(1, 40):
        legacy.incident(good, AT.format(1))
    feed = bench.feed()

    bench.read_database(feed, legacy, lambda: legacy.incident(40, AT.format(2)))

    assert len(bench.events(feed)) == 40
    assert {json.loads(e["value"])["SUMMARY"] for e in bench.dead_letters(feed)} == {"a", "b"}
    assert len(bench.dead_letters(feed)) == 2


def test_a_database_that_may_only_be_read_is_read_and_left_as_it_was(bench, legacy):
    legacy.incident(1, AT.format(1))
    before = legacy.path.read_bytes(), legacy.path.stat().st_mtime_ns
    folder = legacy.path.parent
    legacy.path.chmod(stat.S_IRUSR)
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    feed = bench.feed()
    try:
        bench.read_database(feed, legacy)
    finally:
        folder.chmod(stat.S_IRWXU)

    assert len(bench.events(feed)) == 1
    assert (legacy.path.read_bytes(), legacy.path.stat().st_mtime_ns) == before
    assert [each.name for each in folder.iterdir()] == ["legacy.db"]


def test_a_statement_that_would_write_is_refused(bench, legacy):
    import sqlalchemy as sa

    from connectors.sources.sql_database import Database

    database = Database("test", INCIDENTS, ["INC_NO"], legacy.url, None)

    with pytest.raises(TransientError, match="readonly"):
        database.fetch(lambda shape: sa.insert(shape.table).values(INC_NO=1))  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("location", ["no url", "nosuchdialect://host/name", "oracle://host/name"])
def test_a_location_that_is_no_database_says_so_at_the_start(bench, location):
    with pytest.raises(ConfigurationError, match="`location` is no database the hub can open"):
        open_source(bench.feed(), location, None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"watermark": None}, "state either 'watermark'"),
        ({"snapshot": True}, "state either 'watermark'"),
        ({"key": ["INC_NUM"]}, "'source.key.0': column 'INC_NUM' is not in incident.avsc"),
        ({"watermark": {"column": "CHANGED"}}, "'source.watermark.column': column 'CHANGED'"),
        ({"watermark": {"column": "LAST_UPDATED", "local": True, "overlap_seconds": 3600}}, "at least 7200"),
        ({"watermark": {"column": "LAST_UPDATED", "overlap_seconds": 10}}, "at least 300"),
        ({"version": {"time": "LAST_UPDATED"}}, "runs back each October"),
        ({"sweep_second": 5}, "did you mean 'sweep_seconds'"),
        ({"deleted": {"column": "GONE", "values": [1]}}, "'source.deleted.column': column 'GONE'"),
        ({"kind": "sqll"}, "must be 'sql', 'files' or 'feed'"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_configuration_is_told_at_the_start(bench, wrong, message):
    (problem,) = check_source(bench.feed(**wrong))

    assert message in problem
    assert "incident.toml" in problem


def test_the_built_in_configuration_has_no_problem(bench):
    assert check_source(bench.feed()) == check_source(bench.feed("hr")) == []
