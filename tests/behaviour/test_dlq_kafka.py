"""Dead letters on a real Kafka: replayed once, in order, never over a newer version."""

import contextlib
import threading

import pytest

from hub.access import LOCAL
from hub.bus import open_bus
from hub.dead_letters.cases import State
from hub.dead_letters.erasures import Erasures, let_erased_go
from hub.dead_letters.search import Search
from hub.dead_letters.writer import Pen
from tests.behaviour.test_dlq_strict_order import strict
from tests.dead_letters import ANNA, BILAL, INCIDENTS, Letters, good, unreadable, whole
from tests.kafka_broker import own_broker
from tests.mapped import built_in

pytestmark = pytest.mark.kafka

FIRST, SECOND, THIRD = (f"2016-11-01:{n}" for n in range(3))


@pytest.fixture
def room(tmp_path):
    broker = own_broker()
    bus = open_bus(f"kafka://{broker.address}")
    made = Letters(tmp_path, forces=strict(built_in()), bus=bus)
    yield made
    made.close()
    broker.stop()


def test_letters_are_replayed_and_what_waited_behind_them_goes_on(room, monkeypatch):
    unreadable(room, FIRST)
    room.publish(INCIDENTS, good(FIRST, 2))
    unreadable(room, SECOND)
    unreadable(room, THIRD)
    room.normalise()
    ids = {room.office.writer.book.get(each).about["record_id"][-12:]: each for each in reversed(room.ids())}
    for key in (FIRST, SECOND):
        room.office.edit(ANNA, ids[key], value=whole(key, 1))
        room.office.approve(BILAL, ids[key])
    put, passed = Pen.send, list[bool]()

    def send_late(pen, topic, key, *message, **more):
        if key.decode().endswith(SECOND) and not passed:  # a newer one comes between look and commit
            passed.append(True)
            put_newer(room, SECOND)
        put(pen, topic, key, *message, **more)

    monkeypatch.setattr(Pen, "send", send_late)

    dry = [str(each.verdict) for each in room.office.dry_run(ANNA, Search())]
    assert sorted(dry) == ["fails", "held", "passes", "passes"]
    found = room.replay()
    assert [found[ids[key]] for key in (FIRST, SECOND, THIRD)] == ["passes", "passes", "fails"]
    assert room.versions(SECOND) == [5, 1, 5]
    with room.running():
        room.wait(lambda: room.versions(FIRST) == [1, 2])
    assert room.replay(ids[FIRST], ids[SECOND]) == {}
    room.view()
    assert room.query.get("incident", good(SECOND)["record_id"]).record["source_version"] == 5
    counts = room.office.writer.book.counts("leicestershire", "incident")
    assert counts == {"resent": 1, "replayed_normalise": 2}
    two_at_once(room, ids[THIRD])
    erased(room, THIRD, ids)


def put_newer(room, key):
    """Version 5 of a record on its alliance topic, as the normaliser would have made it."""
    newer = good(key, 5)
    record = room.office.reading.contents_of(room.office.reading.find(LOCAL, Search())[0]).mapper(
        newer, INCIDENTS.topic, 0, 99
    )
    producer = room.bus.producer("test.newer")
    producer.begin()
    value = room.codec.encoder("alliance.incident.v1")(record)
    producer.send("alliance.incident.v1", newer["record_id"].encode(), value)
    producer.commit()
    producer.close()


def two_at_once(room, letter):
    """Two people act on the same letter: one discards it, the other finds that it is."""
    other = room.new_office()
    found = room.office.reading.find(LOCAL, Search(ids=(letter,)))
    threads = [
        threading.Thread(target=office.discard, args=(LOCAL, found, "at once"))
        for office in (room.office, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    acts = [act.what for act in room.case(letter).acts]
    assert acts.count("discarded") == 1
    assert room.case(letter).state is State.DISCARDED
    other.writer.book.close()


def erased(room, key, ids):
    """The letter of an erased record goes, resolved or not, and those of others stay."""
    before = set(room.ids())
    room.write(INCIDENTS, (good(key)["record_id"].encode(), None))
    with contextlib.closing(Erasures(room.bus, room.stopped)) as erasures:
        assert let_erased_go(room.office, erasures) == 1
    assert before - set(room.ids()) == {ids[key]}
