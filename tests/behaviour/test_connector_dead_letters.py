"""A bad row is set aside with its original bytes, and never stops the good ones behind it."""

import hashlib
import json

import pytest

from connectors.source import Refused, Row
from hub.dead_letters import dead_letter_topic
from hub.errors import SourceChangedError
from tests.connecting import balanced, batch, key, refused, row


def keyless(grade="1", place="line 9"):
    return Row(None, {"GRADE": grade, "SUMMARY": "Noise"}, place)


def test_a_row_that_could_not_be_decoded_is_kept_as_it_was_and_the_next_goes_on(bench):
    feed = bench.feed()

    bench.publish(feed, batch(row(1), refused(key=key(7)), row(2)))

    (letter,) = bench.dead_letters(feed)
    assert letter["value"] == b"7;\xff;x"
    assert (letter["length"], letter["sha256"]) == (5, hashlib.sha256(b"7;\xff;x").hexdigest())
    assert (letter["stage"], letter["topic"], letter["offset"]) == ("read", "leicestershire.incident.v1", -1)
    assert (letter["reason"], letter["source_position"]) == ("two fields too few", "file a.csv, line 3")
    assert letter["record_id"] == f"urn:alliance:incident:leicestershire:command:{key(7)}"
    assert {e["key"] for e in bench.events(feed)} == {key(1), key(2)}
    assert bench.counts(feed)["dead_lettered"] == 1
    assert balanced(bench.counts(feed))


def test_a_row_without_a_key_is_kept_with_its_values(bench):
    feed = bench.feed()

    bench.publish(feed, batch(keyless(), row(2)))

    (letter,) = bench.dead_letters(feed)
    assert json.loads(letter["value"]) == {"GRADE": "1", "SUMMARY": "Noise"}
    assert "no key" in letter["reason"]
    assert letter["record_id"] is None


def test_of_an_original_above_512_kib_the_head_is_kept_with_length_and_hash(bench):
    feed = bench.feed()
    raw = b"x" * (10 * 1024 * 1024)

    bench.publish(feed, batch(refused(raw), refused(b"y" * 512 * 1024, place="line 4")))

    large, whole = bench.dead_letters(feed)
    assert large["value"] == raw[: 64 * 1024]
    assert (large["length"], large["sha256"]) == (len(raw), hashlib.sha256(raw).hexdigest())
    assert whole["value"] == b"y" * 512 * 1024


def test_a_row_too_large_for_the_bus_is_a_dead_letter_and_the_next_goes_on(bench):
    feed = bench.feed()
    large = Row(key(1), {"SUMMARY": "x" * (10 * 1024 * 1024)}, "line 1")

    bench.publish(feed, batch(large, row(2)))

    assert [e["key"] for e in bench.events(feed)] == [key(2)]
    (letter,) = bench.dead_letters(feed)
    assert letter["length"] > 10 * 1024 * 1024
    assert balanced(bench.counts(feed))


def test_a_row_that_the_schema_cannot_hold_is_a_dead_letter_that_names_the_column_alone(bench):
    feed = bench.feed()

    bench.publish(feed, batch(Row(key(1), {"EASTING": "secret"}, "line 1"), row(2)))

    (letter,) = bench.dead_letters(feed)
    assert "EASTING" in letter["reason"]
    assert "secret" not in letter["reason"]
    assert [e["key"] for e in bench.events(feed)] == [key(2)]


def test_a_bad_row_read_again_and_again_is_one_dead_letter_after_a_restart_too(bench):
    feed = bench.feed()
    page = batch(keyless(), refused(), row(2))

    bench.publish(feed, page, page)
    bench.publish(feed, batch(), batch(), page)

    assert len(bench.dead_letters(feed)) == 2
    counts = bench.counts(feed)
    assert (counts["read"], counts["dead_lettered"], counts["unchanged"]) == (9, 2, 6)


def test_two_equal_bad_rows_of_one_place_are_two_dead_letters(bench):
    feed = bench.feed()

    bench.publish(feed, batch(keyless(), keyless(), row(2)))

    keys = {letter.key for letter in bench.bus.read_all(dead_letter_topic(feed.topic))}
    assert len(keys) == 2  # else compaction would leave one


def test_rows_of_another_force_are_counted_and_not_published(bench):
    feed = bench.feed()

    bench.publish(feed, batch(row(1), other_force=3))

    counts = bench.counts(feed)
    assert (counts["read"], counts["published"], counts["other_force"]) == (4, 1, 3)


def bad(count):
    return [refused(place=f"line {n}") for n in range(count)]


def good(count):
    return [row(n) for n in range(count)]


@pytest.mark.parametrize(
    ("batches", "stops"),
    [
        ([bad(20)], True),
        ([bad(19)], False),
        ([good(1) + bad(30)], False),
        ([good(25) + bad(25)], False),
        ([good(24) + bad(26)], True),
        ([good(500) + bad(26)], True),
        ([bad(26) + good(500)], False),
        ([good(40), bad(10), bad(10), bad(6)], True),
        ([bad(19), bad(19), good(12)], True),
    ],
    ids=[
        "twenty, all bad", "nineteen, all bad", "too few to tell", "half of fifty", "most of fifty",
        "most of the last fifty", "most of the first fifty of many", "most of fifty over several batches",
        "most of fifty, the last batch good",
    ],
)  # fmt: skip
def test_where_most_of_a_window_is_bad_the_source_has_changed_and_nothing_of_it_is_lost(
    bench, batches, stops
):
    feed = bench.feed()
    numbered = [[of_batch(r, n) for r in rows] for n, rows in enumerate(batches)]

    if not stops:
        bench.publish(feed, *(batch(*rows) for rows in numbered))
        assert len(bench.dead_letters(feed)) == sum(isinstance(r, Refused) for rows in batches for r in rows)
        return
    with pytest.raises(
        SourceChangedError,
        match=r"batch \d, line \d+: .*nothing of this batch is published and the position stays.*max_bad",
    ):
        bench.publish(feed, *(batch(*rows) for rows in numbered))
    kept = bench.publish(feed).read_from[0].get("place", 0)
    assert kept == len(batches) - 1
    assert len(bench.dead_letters(feed)) == sum(isinstance(r, Refused) for rows in batches[:-1] for r in rows)
    assert bench.counts(feed)["read"] == sum(map(len, batches[:-1]))


def test_bad_rows_that_are_read_again_alone_are_no_changed_source(bench):
    feed = bench.feed()

    bench.publish(feed, batch(*good(25), *bad(25)), batch(*bad(25)), batch(*bad(25)), batch(row(99)))

    assert len(bench.dead_letters(feed)) == 25
    assert len(bench.of(feed, key(99))) == 1


def of_batch(each, number):
    return refused(place=f"batch {number}, {each.place}") if isinstance(each, Refused) else each


def test_a_snapshot_that_has_most_of_its_keys_twice_is_a_changed_source(bench):
    feed = bench.feed()
    rows = [row(number, grade) for grade in "123" for number in range(20)]
    with pytest.raises(
        SourceChangedError, match=r"40 of 60 rows are bad, such as line 0: The key stands twice"
    ):
        bench.publish(feed, batch(*rows, snapshot="monday", snapshot_ends=True, one_a_key=True))
    assert bench.events(feed) == []


def test_a_person_may_say_that_bad_rows_are_as_they_should_be(bench):
    feed = bench.feed(max_bad_percent=100)

    bench.publish(feed, batch(*bad(200)))

    assert len(bench.dead_letters(feed)) == 200
