"""Deletions are derived from whole snapshots alone, and a mass deletion waits for a person."""

import threading

import pytest

from connectors.removals import Held, accept_removals, show_removals, wait_for_acceptance
from hub.errors import ConfigurationError
from hub.positions import ACCEPTED
from tests.connecting import Running, balanced, batch, key, refused, row, shape


def snapshot(name, *rows, ends=True, **more):
    return batch(*rows, snapshot=name, snapshot_ends=ends, **more)


def people(*numbers):
    return [row(number) for number in numbers]


def test_who_is_missing_from_a_whole_snapshot_is_removed(bench):
    feed = bench.feed(max_removed_percent=50)

    bench.publish(feed, snapshot("monday", *people(1, 2, 3)), snapshot("tuesday", *people(1, 3)))

    assert shape(bench.of(feed, key(2)), "GRADE") == [(1, False, "1"), (2, True, None)]
    assert len(bench.of(feed, key(1))) == len(bench.of(feed, key(3))) == 1
    counts = bench.counts(feed)
    assert (counts["read"], counts["derived"], counts["published"], counts["unchanged"]) == (5, 1, 4, 2)


@pytest.mark.parametrize("parts", [1, 3])
def test_of_a_key_twice_in_a_snapshot_the_first_row_is_taken_and_the_other_set_aside(bench, parts):
    feed = bench.feed()

    def extract(name):
        rows = [row(1, "1"), row(1, "2"), row(1, "1")]
        if parts == 1:
            return [snapshot(name, *rows, one_a_key=True)]
        return [snapshot(name, each, ends=each is rows[-1], one_a_key=True) for each in rows]

    bench.publish(feed, *extract("monday"), *extract("tuesday"))

    assert shape(bench.of(feed, key(1)), "GRADE") == [(1, False, "1")]
    assert "twice" in bench.dead_letters(feed)[0]["reason"]
    assert balanced(bench.counts(feed))


def test_nobody_is_removed_by_a_snapshot_that_has_not_come_to_its_end(bench):
    feed = bench.feed()

    bench.publish(feed, snapshot("monday", *people(1, 2, 3)), snapshot("tuesday", *people(1), ends=False))

    assert {e["deleted"] for e in bench.events(feed)} == {False}


def test_a_snapshot_over_several_batches_is_one(bench):
    feed = bench.feed(max_removed_percent=50)

    bench.publish(
        feed,
        snapshot("monday", *people(1, 2, 3)),
        snapshot("tuesday", *people(1), ends=False),
        snapshot("tuesday", ends=False),
        snapshot("tuesday", *people(3)),
    )

    assert [e["key"] for e in bench.events(feed) if e["deleted"]] == [key(2)]


def test_a_snapshot_begun_anew_after_a_kill_removes_nobody_who_is_in_it(bench):
    """What it held before the kill is forgotten with the process, so the source begins it anew."""
    feed = bench.feed(max_removed_percent=50)
    bench.publish(feed, snapshot("monday", *people(1, 2, 3)))
    bench.publish(feed, batch(), snapshot("tuesday", *people(1), ends=False, position={"~page": 1}))

    bench.publish(feed, batch(), batch(), snapshot("tuesday", *people(1, 3)))

    assert [e["key"] for e in bench.events(feed) if e["deleted"]] == [key(2)]


def test_a_row_published_while_a_sweep_of_keys_is_under_way_is_not_swept_away(bench):
    feed = bench.feed(max_removed_percent=60)
    sweep = {"snapshot": "sweep", "keys_only": True}

    bench.publish(
        feed,
        batch(*people(1, 2, 3)),
        batch(*people(1), **sweep),
        batch(*people(4)),
        batch(*people(3), snapshot_ends=True, **sweep),
    )

    assert [e["key"] for e in bench.events(feed) if e["deleted"]] == [key(2)]
    counts = bench.counts(feed)
    assert (counts["read"], counts["derived"]) == (4, 1)


def test_a_row_refused_in_a_snapshot_is_there_and_not_removed(bench):
    feed = bench.feed(max_removed_percent=50)

    bench.publish(
        feed, snapshot("monday", *people(1, 2, 3)), snapshot("tuesday", *people(1, 3), refused(key=key(2)))
    )

    assert [e["key"] for e in bench.events(feed) if e["deleted"]] == []


def test_someone_who_comes_back_takes_the_next_version(bench):
    feed = bench.feed(max_removed_percent=50)

    bench.publish(
        feed, snapshot("a", *people(1, 2, 3)), snapshot("b", *people(1, 3)), snapshot("c", *people(1, 2, 3))
    )

    assert shape(bench.of(feed, key(2)), "GRADE") == [(1, False, "1"), (2, True, None), (3, False, "1")]


def test_more_removals_than_fit_one_transaction_are_all_made(bench):
    feed = bench.feed(max_removed_percent=99)
    everyone = snapshot("a", *people(*range(2600)))

    bench.publish(feed, everyone, snapshot("b", *people(*range(100))))

    assert sum(e["deleted"] for e in bench.events(feed)) == 2500
    assert balanced(bench.counts(feed))


@pytest.mark.parametrize(
    ("left", "held"), [(range(95), False), (range(94), True), (range(0), True)], ids=["5 %", "6 %", "all"]
)
def test_a_snapshot_that_would_remove_more_than_the_share_or_all_is_held(bench, left, held):
    feed = bench.feed(max_removed_percent=5)
    bench.publish(feed, snapshot("a", *people(*range(100))))

    with Running(bench, feed, batch(), snapshot("b", *people(*left))) as running:
        if held:
            running.wait_until(lambda: show_removals(bench.bus, bench.codec, feed))
            running.wait_until(lambda: bench.stopped(feed) == 1)
        else:
            running.end()

    assert sum(e["deleted"] for e in bench.events(feed)) == (0 if held else 5)
    assert show_removals(bench.bus, bench.codec, feed) == (Held(100 - len(left), 100) if held else None)


def test_all_is_held_even_where_any_share_may_go(bench):
    feed = bench.feed(max_removed_percent=100)
    bench.publish(feed, snapshot("a", *people(1, 2)))

    with Running(bench, feed, batch(), snapshot("b")) as running:
        running.wait_until(lambda: bench.stopped(feed) == 1)

    assert not any(e["deleted"] for e in bench.events(feed))


def test_a_held_connector_goes_on_by_itself_once_a_person_accepts(bench):
    feed = bench.feed()
    bench.publish(feed, snapshot("a", *people(*range(10))))

    with Running(bench, feed, batch(), snapshot("b", *people(*range(4))), batch(row(99))) as running:
        running.wait_until(lambda: bench.stopped(feed) == 1)
        assert accept_removals(bench.bus, bench.codec, feed, 6) == Held(6, 10)
        running.end()

    assert sum(e["deleted"] for e in bench.events(feed)) == 6
    assert len(bench.of(feed, key(99))) == 1
    assert bench.stopped(feed) == 0
    assert show_removals(bench.bus, bench.codec, feed) is None
    assert balanced(bench.counts(feed))


def test_an_acceptance_is_for_one_time(bench):
    feed = bench.feed()
    bench.publish(feed, snapshot("a", *people(*range(10))))
    with Running(bench, feed, batch(), snapshot("b", *people(*range(4)))) as running:
        running.wait_until(lambda: bench.stopped(feed) == 1)
        accept_removals(bench.bus, bench.codec, feed, 6)
        running.end()

    with Running(bench, feed, batch(), batch(), snapshot("c", row(1), row(2))) as running:
        running.wait_until(lambda: bench.stopped(feed) == 1)

    assert show_removals(bench.bus, bench.codec, feed) == Held(2, 4)
    assert sum(e["deleted"] for e in bench.events(feed)) == 6


class StopAfter(threading.Event):
    """A stop that is set once it has been asked after so many times."""

    def __init__(self, times):
        super().__init__()
        self._left = times

    def is_set(self):
        self._left -= 1
        return self._left < 0


def test_an_acceptance_used_up_long_ago_does_not_count_however_much_lies_behind_it(bench):
    feed = bench.feed()
    positions = bench.positions(feed)
    entries = [
        positions.put(ACCEPTED, {"removals": 500}, 0),
        *((f"hr/other/{number}".encode(), None) for number in range(2500)),
        positions.forget(ACCEPTED),
    ]
    producer = bench.bus.producer("earlier")
    producer.begin()
    for name, value in entries:
        producer.send(feed.positions_topic, name, value)
    producer.commit()

    assert not wait_for_acceptance(feed, bench.bus, bench.positions(feed), 6, StopAfter(6).is_set)


def test_what_was_accepted_while_the_connector_was_down_is_made_when_it_is_back(bench):
    feed = bench.feed()
    bench.publish(feed, snapshot("a", *people(*range(10))))
    with Running(bench, feed, batch(), snapshot("b", *people(*range(4)))) as running:
        running.wait_until(lambda: bench.stopped(feed) == 1)
    accept_removals(bench.bus, bench.codec, feed, 6)

    bench.publish(feed, batch(), snapshot("b", *people(*range(4))))

    assert sum(e["deleted"] for e in bench.events(feed)) == 6


def test_what_was_accepted_is_not_enough_for_more_than_that(bench):
    feed = bench.feed()
    bench.publish(feed, snapshot("a", *people(*range(10))))
    with Running(bench, feed, batch(), snapshot("b", *people(*range(4)))) as running:
        running.wait_until(lambda: bench.stopped(feed) == 1)
    accept_removals(bench.bus, bench.codec, feed, 6)

    with Running(bench, feed, batch(), snapshot("c", *people(1, 2))) as running:
        running.wait_until(lambda: show_removals(bench.bus, bench.codec, feed) == Held(8, 10))

    assert not any(e["deleted"] for e in bench.events(feed))


def test_only_the_number_that_is_held_can_be_accepted(bench):
    feed = bench.feed()
    with pytest.raises(ConfigurationError, match="no removals are held"):
        accept_removals(bench.bus, bench.codec, feed, 6)
    bench.publish(feed, snapshot("a", *people(*range(10))))
    with Running(bench, feed, batch(), snapshot("b", *people(*range(4)))) as running:
        running.wait_until(lambda: bench.stopped(feed) == 1)

    with pytest.raises(ConfigurationError, match=r"6 of 10 records are held, not 5.*--count 6"):
        accept_removals(bench.bus, bench.codec, feed, 5)
