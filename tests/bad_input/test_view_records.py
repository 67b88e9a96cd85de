"""What the view cannot use is set aside with its bytes, and the good ones behind it go on."""

import hashlib

import pytest

from hub.errors import SourceChangedError
from hub.view.intake import WINDOW
from tests.stores import keys
from tests.view_bus import CODEC, INCIDENTS, STAFF, stage
from tests.view_records import incident, staff

KEY = incident("bad")["id"].encode()


@pytest.fixture
def scene(tmp_path):
    with stage(
        f"embedded://{tmp_path / 'bus.db'}", f"sqlite:///{tmp_path / 'store.db'}", partitions=1
    ) as made:
        yield made


def _good(key="bad", version=1):
    return CODEC.encoder(INCIDENTS)(incident(key, version))


def _with_nul():
    return CODEC.encoder(INCIDENTS)(incident("b\0d"))


BAD = {
    "of an unknown schema id": (KEY, b"\0\0\x0f\x42\x3f" + b"body", "schema id 999999"),
    "not in the wire format": (KEY, b"nonsense", "begins with byte 0x6e"),
    "empty": (KEY, b"", "has no value"),
    "cut short": (KEY, _good()[:60], "cut short"),
    "with bytes behind it": (KEY, _good() + b"more", "too many"),
    "of another topic's schema": (KEY, CODEC.encoder(STAFF)(staff("bad")), "alliance.hr.v1"),
    "under another record's key": (incident("2")["id"].encode(), _good(), "not its id"),
    "with a NUL in its id": (incident("b\0d")["id"].encode(), _with_nul(), "NUL"),
}


@pytest.mark.parametrize(("key", "value", "reason"), BAD.values(), ids=BAD)
def test_a_value_is_set_aside_and_those_around_it_are_applied(scene, key, value, reason):
    scene.publish("incident", incident("1"))
    scene.send(INCIDENTS, (key, value))
    scene.publish("incident", incident("2"))
    scene.settle(scene.view())
    assert keys(scene.query.list_records("incident")) == ["2", "1"]
    (letter,) = scene.letters(INCIDENTS)
    assert reason in letter["reason"]
    assert (letter["key"], letter["value"], letter["length"]) == (key, value, len(value))
    assert letter["sha256"] == hashlib.sha256(value).hexdigest()
    assert (letter["stage"], letter["topic"], letter["offset"]) == ("view", INCIDENTS, 1)
    assert (letter["force"], letter["domain"]) == ("leicestershire", "incident")
    counts = scene.query.counts()["incident"]["leicestershire"]
    assert (counts["received"], counts["applied"], counts["dead_lettered"]) == (3, 2, 1)
    assert scene.counted("dead_lettered") == 1
    assert scene.counted("received") == 3


def test_a_value_of_a_newer_release_stops_the_view_before_it_with_nothing_set_aside(scene):
    scene.publish("incident", incident("1"))
    view = scene.view()
    scene.settle(view)
    scene.send(INCIDENTS, (KEY, b"\0\0\0\x27\x0f" + _good()[5:]))
    with pytest.raises(
        SourceChangedError, match=r"^Offset 1 of alliance.incident.v1-0 has schema id 9999, .* start again"
    ):
        view.step()
    assert scene.letters(INCIDENTS) == []
    assert view.reached()[scene.partition_of(incident("1"))] == 1


def test_of_a_long_value_the_head_is_kept_with_its_length_and_hash(scene):
    value = b"\0" * 600_000
    scene.send(INCIDENTS, (KEY, value))
    scene.settle(scene.view())
    (letter,) = scene.letters(INCIDENTS)
    assert letter["value"] == value[: 64 * 1024]
    assert letter["length"] == 600_000
    assert letter["sha256"] == hashlib.sha256(value).hexdigest()


def test_a_key_that_names_no_force_of_ours_is_counted_as_unknown(scene):
    scene.send(INCIDENTS, (b"urn:alliance:incident:atlantis:x:1", b"nonsense"), (b"\xff", b"nonsense"))
    scene.settle(scene.view())
    assert [letter["force"] for letter in scene.letters(INCIDENTS)] == ["unknown", "unknown"]
    assert scene.query.counts()["incident"]["unknown"]["dead_lettered"] == 2


def test_most_of_a_window_bad_stops_the_view_before_it_and_says_so(scene):
    scene.publish("incident", *(incident(str(n)) for n in range(10)))
    view = scene.view()
    scene.settle(view)
    scene.send(INCIDENTS, *((KEY, b"nonsense") for _ in range(WINDOW)))
    with pytest.raises(SourceChangedError, match=r"100 of the last 1[01]0 records .* start again"):
        view.step()
    assert scene.letters(INCIDENTS) == []
    assert view.reached()[scene.partition_of(incident("1"))] == 10


def test_bad_ones_among_many_good_ones_stop_nothing(scene):
    view = scene.view()
    for number in range(6):
        good = [(incident(f"{number}-{n}")["id"].encode(), _good(f"{number}-{n}")) for n in range(30)]
        scene.send(INCIDENTS, *good, *((KEY, b"nonsense") for _ in range(20)))
        scene.settle(view)
    assert scene.query.counts()["incident"]["leicestershire"]["visible"] == 180
    assert len(scene.letters(INCIDENTS)) == 120


def test_a_dead_letter_that_is_sent_again_has_the_same_key(scene):
    scene.send(INCIDENTS, (KEY, b"nonsense"))
    scene.settle(scene.view())
    (record,) = scene.bus.read_all(f"{INCIDENTS}.dlq")
    assert record.key == b"view:0:0"
