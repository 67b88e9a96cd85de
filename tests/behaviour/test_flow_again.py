"""A position that is reset has its source read again, and nothing unchanged published again."""

import pytest

from connectors import keeper
from connectors.reset import plan, refuse_running, reset
from connectors.sources.places import in_words, set_back
from hub.errors import ConfigurationError, FencedError, SourceChangedError
from hub.forces import load_forces
from tests.connecting import LEICESTERSHIRE, balanced, batch, key, row, shape
from tests.keeping import Kept, Played
from tests.waiting import wait_until


@pytest.fixture
def feed(bench):
    return bench.feed()


def read_all(bench, feed, operator, legacy):
    """Let a connector read to the end of what there is."""
    with Kept(bench, feed, legacy):
        wait_until(
            lambda: operator.status.position.get("place") == len(legacy.rows) and not operator.status.again,
            lambda: str(operator.status),
        )
        operator.ask("stop")
        operator.wait("STOPPED")
    operator.ask("resume")


def test_what_is_read_again_unchanged_is_not_published_again_and_what_was_missed_is(bench, feed, operator):
    legacy = Played(row(1, "1"), row(2), row(1, "2"), row(3), row(3, removed=True), row(1, "3"))
    legacy.most = 2
    read_all(bench, feed, operator, legacy)
    before = bench.events(feed)
    legacy.rows.insert(1, row(9))

    reset(feed, bench.bus, bench.codec, None)
    read_all(bench, feed, operator, legacy)

    new = bench.events(feed)[len(before) :]
    assert [event["key"] for event in bench.events(feed) if event not in before] == [key(9)]
    assert len(new) == 1
    assert shape(bench.of(feed, key(1)), "GRADE") == [(1, False, "1"), (2, False, "2"), (3, False, "3")]
    counts = bench.counts(feed)
    assert (counts["read"], counts["published"], counts["unchanged"]) == (13, 7, 6)
    assert balanced(counts)


def test_a_reading_again_that_is_cut_short_begins_anew_and_publishes_nothing_twice(
    bench, feed, operator, monkeypatch
):
    monkeypatch.setattr(keeper, "FIRST_PAUSE_SECONDS", 0.01)
    legacy = Played(row(1, "1"), row(2), row(1, "2"))
    legacy.most = 1
    read_all(bench, feed, operator, legacy)
    legacy.rows.append(row(3))
    reset(feed, bench.bus, bench.codec, None)
    first = legacy.reads

    def cut_short():
        if legacy.reads == first + 2:
            legacy.reads += 1
            raise SourceChangedError("cut short")

    legacy.before_read = cut_short
    read_all(bench, feed, operator, legacy)

    assert legacy.reads > first + 5
    assert [event["source_version"] for event in bench.of(feed, key(1))] == [1, 2]
    assert len(bench.events(feed)) == 4
    assert not operator.status.again


def test_a_log_that_can_only_be_read_from_its_beginning_publishes_nothing_of_the_way_there(bench, feed):
    log = [row(1, "1"), row(2), row(1, "2"), row(2, removed=True)]
    bench.publish(
        feed,
        *(batch(each) for each in log),
        batch(anew=True),
        *(batch(each) for each in log),
        batch(row(1, "3")),
    )
    assert shape(bench.of(feed, key(1)), "GRADE") == [(1, False, "1"), (2, False, "2"), (3, False, "3")]
    assert shape(bench.of(feed, key(2)), "GRADE") == [(1, False, "1"), (2, True, "1")]
    assert balanced(bench.counts(feed))
    assert "!again" not in bench.positions(feed).kept


def test_rows_that_are_what_the_source_holds_now_are_taken_as_they_come(bench, feed, operator):
    legacy = Played(row(1), row(2))
    legacy.batch = {"current": True}
    read_all(bench, feed, operator, legacy)
    legacy.rows[0] = row(1, "2")
    reset(feed, bench.bus, bench.codec, None)
    read_all(bench, feed, operator, legacy)
    assert shape(bench.of(feed, key(1)), "GRADE") == [(1, False, "1"), (2, False, "2")]
    assert len(bench.events(feed)) == 3


def test_a_position_is_reset_only_while_nobody_reads(bench, feed, operator):
    legacy = Played(row(1))
    with Kept(bench, feed, legacy):
        operator.wait("RUNNING")
        with pytest.raises(
            ConfigurationError, match="is RUNNING; stop it first: alliance-hub connectors stop"
        ):
            refuse_running(operator.status)
        operator.ask("pause")
        operator.wait("PAUSED")
        with pytest.raises(ConfigurationError, match="is PAUSED"):
            refuse_running(operator.status)
        operator.ask("stop")
        operator.wait("STOPPED")
        refuse_running(operator.status)


def test_who_reads_nonetheless_is_fenced_by_a_reset(bench, feed):
    def set_back_meanwhile():
        reset(feed, bench.bus, bench.codec, None)
        return batch(row(2))

    with pytest.raises(FencedError):
        bench.publish(feed, batch(row(1)), set_back_meanwhile)
    assert [event["key"] for event in bench.events(feed)] == [key(1)]
    assert bench.positions(feed).position == {}


def test_a_plan_says_what_a_reset_would_do_and_does_nothing(bench, feed):
    planned = plan(feed, {"watermark": "2016-11-05 10:00:00"}, "2016-11-01 00:00:00")
    assert (planned.forgotten, planned.before, planned.after) == (
        ["watermark"],
        ["watermark LAST_UPDATED 2016-11-05 10:00:00"],
        ["watermark LAST_UPDATED 2016-11-01 00:00:00"],
    )
    assert bench.positions(feed).position == {}
    with pytest.raises(ConfigurationError, match="is a time as YYYY-MM-DD HH:MM:SS, not 'yesterday'"):
        plan(feed, {}, "yesterday")


BUILTIN = load_forces(LEICESTERSHIRE.parent / name for name in ("northamptonshire", "nottinghamshire"))
DROPS = BUILTIN["northamptonshire"].feeds["incident"]
EXTRACTS = BUILTIN["northamptonshire"].feeds["hr"]
PAGES = BUILTIN["nottinghamshire"].feeds["incident"]


def done(*names):
    return {f"done/{name}": {"name": name, "at": 1, "size": 1, "modified": 1} for name in names}


def last(name):
    return {"last": {"name": name, "sha256": name, "unclear": 0}}


def test_drops_are_read_again_from_a_file_on(bench):
    position = done("a", "b", "c") | last("c") | {"current": {"name": "d", "line": 12, "sha256": "d"}}
    assert in_words(DROPS, position) == [
        "file d, line 12",
        "3 files read to their end, the last of them c",
    ]
    assert set_back(DROPS, position, None) == {}
    assert set_back(DROPS, position, "b") == done("a") | last("a")
    assert set_back(DROPS, position, "d") == done("a", "b", "c") | last("c")
    with pytest.raises(ConfigurationError, match="no file 'e' was read"):
        set_back(DROPS, position, "e")


def test_of_extracts_that_each_say_everything_the_newest_alone_is_read_again():
    position = done("a", "b", "c") | last("c")
    assert set_back(EXTRACTS, position, None) == done("a", "b") | last("b")
    with pytest.raises(ConfigurationError, match="the newest alone can be read again: c"):
        set_back(EXTRACTS, position, "a")


def test_a_feed_is_read_again_from_a_token_on():
    assert in_words(PAGES, {"page": {"token": "t7"}}) == ["token t7"]
    assert set_back(PAGES, {"page": {"token": "t7"}}, "t3") == {"page": {"token": "t3"}}
    assert in_words(PAGES, set_back(PAGES, {"page": {"token": "t7"}}, None)) == ["from the beginning"]
