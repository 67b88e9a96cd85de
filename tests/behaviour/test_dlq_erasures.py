"""What a dead letter holds of a record does not outlive it: the letters of an erased one go with it."""

import contextlib

import pytest

from hub.access import LOCAL
from hub.bus.topics import CASES_TOPIC
from hub.dead_letters.erasures import Erasures, let_erased_go
from hub.dead_letters.search import Search
from tests.dead_letters import ANNA, INCIDENTS, Letters, misnamed, unreadable

RECORD = "urn:alliance:incident:leicestershire:command:2016-11-01:{}"


@pytest.fixture
def room(tmp_path):
    made = Letters(tmp_path)
    yield made
    made.close()


@pytest.fixture
def erasures(room):
    with contextlib.closing(Erasures(room.bus, room.stopped)) as made:
        yield made


def erase(room, number):
    room.write(INCIDENTS, (RECORD.format(number).encode(), None))


def test_letters_set_aside_before_an_erasure_go_and_later_ones_and_those_of_others_stay(room, erasures):
    unreadable(room, "2016-11-01:7")
    unreadable(room, "2016-11-01:8")
    room.normalise()
    before = set(room.ids())
    assert let_erased_go(room.office, erasures) == 0

    erase(room, 7)
    unreadable(room, "2016-11-01:7")
    room.normalise()
    (later,) = set(room.ids()) - before
    assert let_erased_go(room.office, erasures) == 1

    left = {letter.id: letter.about["record_id"] for letter in room.office.reading.find(LOCAL, Search())}
    assert left.pop(later) == RECORD.format(7)
    assert list(left.values()) == [RECORD.format(8)]
    assert room.office.writer.book.counts("leicestershire", "incident")["rows_gone"] == 1
    (entry,) = [entry for entry in room.audit() if entry["verb"] == "erasure"]
    assert (entry["principal"], entry["records"]) == ("hub", [RECORD.format(7)])
    assert let_erased_go(room.office, erasures) == 0


def test_what_was_edited_or_resolved_of_an_erased_record_goes_too(room, erasures):
    room.publish(INCIDENTS, misnamed("2016-11-01:7"), misnamed("2016-11-01:8"))
    room.normalise()
    edited, discarded = room.ids()
    room.office.edit(ANNA, edited, fields={"row.SUMMARY": "A neighbour's name"}, why="a typing error")
    room.office.discard(LOCAL, room.office.reading.find(LOCAL, Search(ids=(discarded,))), "noise")
    for letter in room.office.writer.book:
        room.write(INCIDENTS, (letter.about["key"], None))

    assert let_erased_go(room.office, erasures) == 2

    assert room.ids() == []
    last = {each.key: each.value for each in room.bus.read_all(CASES_TOPIC)}
    assert [last[letter.encode()] for letter in (edited, discarded)] == [None, None]
