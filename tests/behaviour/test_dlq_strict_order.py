"""Where a source is configured for strict order, later events of a key wait behind its dead letter."""

import dataclasses

import pytest

from hub.access import LOCAL
from hub.dead_letters.cases import State
from hub.dead_letters.search import Search
from hub.errors import ConflictError
from tests.dead_letters import ANNA, BILAL, INCIDENTS, Letters, good, unreadable, whole
from tests.mapped import built_in

KEY, OTHER = "2016-11-01:7", "2016-11-01:8"


def strict(forces):
    """The same forces, Leicestershire's incidents configured with strict order."""
    force = forces["leicestershire"]
    feed = force.feeds["incident"]
    feed = dataclasses.replace(feed, source={**feed.source, "strict_order": True})
    force = dataclasses.replace(force, feeds={**force.feeds, "incident": feed})
    return {**forces, "leicestershire": force}


@pytest.fixture
def room(tmp_path):
    made = Letters(tmp_path, forces=strict(built_in()))
    yield made
    made.close()


def held(room):
    return [each for each in room.letters(INCIDENTS) if each["error"] == "HeldBehindError"]


def test_by_default_newer_versions_pass_a_dead_one(tmp_path):
    room = Letters(tmp_path)
    unreadable(room, KEY)
    room.publish(INCIDENTS, good(KEY, 2))
    room.normalise()
    assert room.versions(KEY) == [2]
    room.close()


def test_later_events_of_a_key_wait_and_those_of_others_pass(room):
    room.publish(INCIDENTS, good(KEY, 1))
    unreadable(room, KEY)
    room.publish(INCIDENTS, good(KEY, 3), good(OTHER, 1))
    room.normalise()
    room.publish(INCIDENTS, good(KEY, 4))
    room.normalise()

    assert room.versions(KEY) == [1]
    assert room.versions(OTHER) == [1]
    first = room.ids()[0]
    assert all(first in each["reason"] for each in held(room))
    assert len(held(room)) == 2
    counts = room.counts(INCIDENTS)
    assert (counts.normalised, counts.dead_lettered) == (2, 3)


def test_a_replay_of_the_first_releases_the_others_in_order_and_the_account_holds(room):
    unreadable(room, KEY)
    room.publish(INCIDENTS, good(KEY, 2), good(KEY, 3))
    room.normalise()
    first, *others = room.ids()
    assert room.replay(others[0]) == {others[0]: "held"}
    with pytest.raises(ConflictError, match="goes on by itself"):
        room.office.edit(ANNA, others[0], value=whole(KEY, 2))

    room.office.edit(ANNA, first, value=whole(KEY, 1))
    room.office.approve(BILAL, first)
    assert room.replay(first) == {first: "passes"}
    with room.running():
        room.wait(lambda: room.versions(KEY) == [1, 2, 3])

    assert {room.case(each).state for each in others} == {State.REPLAYED}
    counts = room.counts(INCIDENTS)
    assert (counts.normalised, counts.dead_lettered) == (2, 1)  # the first one is the office's to count


def test_a_discard_of_the_first_releases_the_others_while_new_ones_come(room):
    unreadable(room, KEY)
    room.publish(INCIDENTS, good(KEY, 2))
    with room.running():
        room.wait(lambda: len(held(room)) == 1)
        first = room.office.reading.find(LOCAL, Search())[:1]
        assert room.office.discard(LOCAL, first, "noise") == []
        room.publish(INCIDENTS, good(KEY, 3))
        room.wait(lambda: room.versions(KEY) == [2, 3])
        room.publish(INCIDENTS, good(KEY, 4))
        room.wait(lambda: room.versions(KEY) == [2, 3, 4])


def test_one_that_is_bad_itself_goes_on_holding_those_behind_it(room):
    unreadable(room, KEY)
    unreadable(room, KEY)
    room.publish(INCIDENTS, good(KEY, 3))
    room.normalise()
    first, second, third = room.ids()
    assert room.office.discard(LOCAL, room.office.reading.find(LOCAL, Search(ids=(first,))), "noise") == []
    room.publish(INCIDENTS, good(OTHER))
    room.normalise()
    assert room.versions(KEY) == []
    assert room.office.discard(LOCAL, room.office.reading.find(LOCAL, Search(ids=(second,))), "noise") == []
    with room.running():
        room.wait(lambda: room.versions(KEY) == [3])
    assert room.case(third).state is State.REPLAYED


def test_many_that_wait_are_no_changed_source(room):
    unreadable(room, KEY)
    room.publish(INCIDENTS, *(good(KEY, version) for version in range(2, 80)))
    room.normalise()
    assert len(held(room)) == 78
