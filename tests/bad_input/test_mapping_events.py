"""Events the normaliser cannot use: dead-lettered whole, with the reason, and the good ones behind go on."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.errors import SourceChangedError
from hub.forces import Feed, load_forces
from hub.normalise.window import WINDOW_RECORDS
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from tests.mapped import built_in, event, feed, two_releases
from tests.normalising import Room

LEICESTERSHIRE, STAFF = feed("leicestershire"), feed("leicestershire", "hr")
KEY = b"urn:alliance:incident:leicestershire:command:2016-11-01:7"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path, partitions=1)
    yield room
    room.close()


def good(number: int) -> dict[str, Any]:
    return event(LEICESTERSHIRE, key=f"2016-11-01:{number}")


def value(room: Room) -> bytes:
    return room.codec.encoder(LEICESTERSHIRE.topic)(event(LEICESTERSHIRE, SUMMARY="A fight"))


def buried(room: Room, bad: bytes, key: bytes | None = KEY) -> dict[str, Any]:
    """The dead letter of a bad event between two good ones, both of which must arrive."""
    room.publish(LEICESTERSHIRE, good(1))
    room.write(LEICESTERSHIRE, (key, bad))
    room.publish(LEICESTERSHIRE, good(2))
    room.normalise()
    assert [record["source_key"] for record in room.records()] == ["2016-11-01:1", "2016-11-01:2"]
    (letter,) = room.letters(LEICESTERSHIRE)
    assert (letter["key"], letter["value"]) == (key, bad)
    assert (letter["stage"], letter["topic"], letter["partition"]) == ("normalise", LEICESTERSHIRE.topic, 0)
    assert (letter["offset"], letter["force"], letter["domain"]) == (1, "leicestershire", "incident")
    assert (letter["length"], letter["sha256"]) == (len(bad), hashlib.sha256(bad).hexdigest())
    return letter


def test_an_unknown_schema_id_is_dead_lettered(room: Room):
    letter = buried(room, b"\0\0\0\xff\xff" + value(room)[5:])
    assert letter["record_id"] == KEY.decode()
    assert "id" in letter["reason"]


def stopped(room: Room, of: Feed, newer: bytes) -> str:
    """Why the feed stops at an event of a newer release: at once, setting nothing aside, others going on."""
    notts = feed("nottinghamshire")
    room.write(of, (KEY, newer))

    def others_go_on() -> None:
        with room.running():
            labels = {"stage": "normalise", "force": of.force, "domain": of.domain}
            room.wait(lambda: room.metric("stage_stopped", **labels) == 1)
            room.publish(notts, event(notts, key="NG-1"))
            room.catch_up([notts])

    with pytest.raises(SourceChangedError) as told:
        others_go_on()
    assert [record["force"] for record in room.records()] == ["nottinghamshire"]
    assert room.letters(of) == []
    assert room.counts(of).dead_lettered == 0
    return str(told.value)


def test_an_event_of_a_newer_release_stops_its_feed_at_once_and_the_others_go_on(room: Room):
    told = stopped(room, LEICESTERSHIRE, b"\0\0\0\x27\x0f" + value(room)[5:])
    assert told.startswith(
        "leicestershire/incident: offset 0 of leicestershire.incident.v1-0 has schema id 9999"
    )
    assert "to the release of who wrote it, and start again" in told


def test_once_it_is_of_the_newer_release_too_the_normaliser_goes_on_by_itself(tmp_path: Path):
    now, later = (dict(built_in()) | load_forces([folder]) for folder in two_releases(tmp_path))
    lincolnshire = later["lincolnshire"].feeds["incident"]
    newer = Codec(load_registry(later)).encoder(lincolnshire.topic)(event(lincolnshire, Channel="999"))
    room = Room(tmp_path, now, partitions=1)
    try:
        assert "lincolnshire/incident: offset 0" in stopped(room, lincolnshire, newer)
        room.forces, room.codec = later, Codec(load_registry(later))
        room.normalise()
        assert [record["force"] for record in room.records()] == ["nottinghamshire", "lincolnshire"]
        assert room.letters(lincolnshire) == []
    finally:
        room.close()


def test_a_value_cut_short_is_dead_lettered(room: Room):
    assert buried(room, value(room)[:-3])["reason"]


def test_a_value_of_another_topics_schema_is_dead_lettered(room: Room):
    assert buried(room, room.codec.encoder(STAFF.topic)(event(STAFF)))["reason"]


def test_bytes_that_are_no_avro_are_dead_lettered(room: Room):
    assert buried(room, b"\xff\x00 not Avro", key=b"\xff")["record_id"] is None


def test_an_event_without_a_key_in_its_envelope_is_dead_lettered(room: Room):
    nameless = event(LEICESTERSHIRE, key="")
    letter = buried(room, room.codec.encoder(LEICESTERSHIRE.topic)(nameless))
    assert "no key" in letter["reason"]


@pytest.mark.parametrize("micros", [2**62, -(2**62), -(2**56)])
@pytest.mark.parametrize("time", ["changed_at", "read_at"])
def test_an_event_of_a_time_outside_the_calendar_is_dead_lettered(room: Room, time: str, micros: int):
    timeless = event(LEICESTERSHIRE) | {"changed_at": 1_478_000_000_000_000, time: micros}
    letter = buried(room, room.codec.encoder(LEICESTERSHIRE.topic)(timeless))
    assert "calendar" in letter["reason"]


def test_an_event_of_another_force_is_dead_lettered(room: Room):
    stray = event(LEICESTERSHIRE, record_id="urn:alliance:incident:nottinghamshire:command:2016-11-01:7")
    letter = buried(room, room.codec.encoder(LEICESTERSHIRE.topic)(stray))
    assert "does not name this force" in letter["reason"]


def test_of_a_large_event_the_head_is_kept_with_length_and_hash(room: Room):
    bad = b"\0\0\0\xff\xff" + b"x" * 600_000
    room.write(LEICESTERSHIRE, (KEY, bad))
    room.normalise()
    (letter,) = room.letters(LEICESTERSHIRE)
    assert letter["value"] == bad[: 64 * 1024]
    assert (letter["length"], letter["sha256"]) == (len(bad), hashlib.sha256(bad).hexdigest())
    assert letter["source_position"] == "leicestershire.incident.v1, partition 0, offset 0"


def test_the_reason_never_holds_what_the_event_says(room: Room):
    secret = "Plantagenet"
    stray = event(LEICESTERSHIRE, key="2016-11-01:7", system="other", SUMMARY=secret, LOC_TEXT=secret)
    letter = buried(room, room.codec.encoder(LEICESTERSHIRE.topic)(stray))
    assert secret not in letter["reason"]


def test_most_of_a_window_bad_leaves_the_feed_and_the_others_go_on(room: Room):
    notts = feed("nottinghamshire")
    room.write(LEICESTERSHIRE, *((KEY, b"changed") for _ in range(WINDOW_RECORDS)))

    def others_go_on() -> None:
        with room.running():
            labels = {"stage": "normalise", "force": "leicestershire", "domain": "incident"}
            room.wait(lambda: room.metric("stage_stopped", **labels) == 1)
            room.publish(notts, event(notts, key="NG-1"))
            room.catch_up([notts])

    with pytest.raises(
        SourceChangedError, match=r"leicestershire/incident: .* changed source .* start again"
    ):
        others_go_on()
    assert [record["force"] for record in room.records()] == ["nottinghamshire"]
    assert room.letters(LEICESTERSHIRE) == []  # nothing of the batch is kept, so nothing has to be undone
    assert room.counts(LEICESTERSHIRE).dead_lettered == 0


def test_half_of_a_window_bad_goes_on(room: Room):
    for number in range(60):
        room.write(LEICESTERSHIRE, (KEY, b"bad"))
        room.publish(LEICESTERSHIRE, good(number))
    room.normalise()
    counts = room.counts(LEICESTERSHIRE)
    assert (counts.normalised, counts.dead_lettered) == (60, 60)


def test_when_no_feed_is_left_the_normaliser_ends_with_every_reason(room: Room):
    for of in room.feeds():
        room.write(of, *((KEY, b"changed") for _ in range(WINDOW_RECORDS)))
    with pytest.raises(SourceChangedError) as told, room.running():
        room.wait(lambda: not room.thread.is_alive())
    assert len(str(told.value).splitlines()) == len(room.feeds())
