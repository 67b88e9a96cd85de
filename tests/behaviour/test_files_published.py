"""Drops and pages on their way to the bus, as the built-in forces configure them."""

import pytest

from hub.errors import SourceChangedError
from tests.connecting import balanced, shape
from tests.dropping import Forces, drop, extract, log, person
from tests.pages import xml
from tests.reading import Answers


@pytest.fixture
def forces(tmp_path):
    forces = Forces(tmp_path)
    yield forces
    forces.close()


def test_new_updated_and_cancelled_logs_are_versions_of_one_record(forces):
    feed = forces.of_force("northamptonshire/incident")
    drop(forces, "INC_20161101_000001.csv", log(1, text="a"), log(2), log(1, "U", "b"), log(1, "U", "b"))
    drop(forces, "INC_20161101_000002.csv", log(1, "U", "a"), log(2, "X"))
    source = forces.read(feed)
    assert shape(forces.of(feed, "01%2F11%2F2016:1"), "Description") == [
        (1, False, "a"),
        (2, False, "b"),
        (3, False, "a"),
    ]
    assert shape(forces.of(feed, "01%2F11%2F2016:2"), "Action") == [(1, False, "N"), (2, True, "X")]
    assert forces.counts(feed) == {
        "read": 6, "derived": 0, "published": 5, "unchanged": 1, "other_force": 0, "dead_lettered": 0,
    }  # fmt: skip
    assert source.count() == 1


def test_a_log_that_goes_back_by_a_drop_of_the_same_bytes_has_three_versions_and_a_copy_adds_none(forces):
    feed = forces.of_force("northamptonshire/incident")
    for name, text in (("1", "a"), ("1_copy", "a"), ("2", "b"), ("3", "a")):
        drop(forces, f"INC_20161101_{name}.csv", log(1, text=text))
    forces.read(feed)
    assert shape(forces.of(feed, "01%2F11%2F2016:1"), "Description") == [
        (1, False, "a"),
        (2, False, "b"),
        (3, False, "a"),
    ]
    of = {"force": "northamptonshire", "domain": "incident"}
    assert forces.metrics.registry.get_sample_value("alliance_hub_copies_total", of) == 1


def test_a_bad_line_lies_in_the_dead_letters_without_its_informant_and_the_good_ones_go_on(forces):
    feed = forces.of_force("northamptonshire/incident")
    bad = log(2, text="caf\udc81", Informant="Jane Doe")
    drop(forces, "INC_20161101_000001.csv", log(1), bad, {}, log("", Informant="Jane Doe"), log(3))
    forces.read(feed)
    assert {event["key"] for event in forces.events(feed)} == {"01%2F11%2F2016:1", "01%2F11%2F2016:3"}
    letters = forces.dead_letters(feed)
    assert len(letters) == 3
    assert balanced(forces.counts(feed))
    everything = repr([letters, forces.events(feed), forces.positions(feed).position])
    assert "Jane Doe" not in everything
    assert b"caf\\x81" in repr(letters).encode()


def test_leavers_are_derived_from_the_next_extract_and_each_force_keeps_its_own(forces):
    feeds = [forces.of_force("northamptonshire/hr"), forces.of_force("nottinghamshire/hr")]
    people = [person(n) for n in range(30)] + [person(n, "31") for n in range(30)]
    extract(forces, "MFSS_HR_20161101060000.txt", *people)
    for feed in feeds:
        forces.read(feed)
    extract(forces, "MFSS_HR_20161102060000.txt", *people[1:], person(99, "72"))
    for feed in feeds:
        forces.read(feed)
    north, notts = feeds
    assert shape(forces.of(north, "0"), "LAST_NAME") == [(1, False, "Shah"), (2, True, None)]
    assert shape(forces.of(notts, "0"), "LAST_NAME") == [(1, False, "Shah")]
    assert (forces.counts(north)["derived"], forces.counts(notts)["derived"]) == (1, 0)
    assert (forces.counts(north)["other_force"], forces.counts(notts)["other_force"]) == (61, 59)
    assert forces.dead_letters(north) == []
    assert len(forces.dead_letters(notts)) == 1
    assert all(balanced(forces.counts(feed)) for feed in feeds)
    assert "QQ123456C" not in repr([forces.events(feed) for feed in feeds] + forces.dead_letters(notts))


def test_an_extract_cut_short_removes_no_one_and_stops_the_source(forces):
    feed = forces.of_force("northamptonshire/hr")
    extract(forces, "MFSS_HR_20161101060000.txt", *(person(n) for n in range(30)))
    forces.read(feed)
    extract(forces, "MFSS_HR_20161102060000.txt", *(person(n) for n in range(29)), count=30)
    with pytest.raises(SourceChangedError, match="says it has 30 rows but has 29"):
        forces.read(feed)
    assert forces.counts(feed)["derived"] == 0
    assert all(not event["deleted"] for event in forces.events(feed))


def test_a_refused_line_removes_no_one_whose_number_it_holds(forces):
    feed = forces.of_force("northamptonshire/hr")
    extract(forces, "MFSS_HR_20161101060000.txt", *(person(n) for n in range(30)))
    forces.read(feed)
    extract(forces, "MFSS_HR_20161102060000.txt", *(person(n) for n in range(29)), person(29, name="Sh\0ah"))
    forces.read(feed)
    assert shape(forces.of(feed, "29"), "LAST_NAME") == [(1, False, "Shah")]
    assert len(forces.dead_letters(feed)) == 1
    assert forces.counts(feed)["derived"] == 0


def test_an_expired_token_finds_what_was_removed_meanwhile(forces):
    feed = forces.of_force("nottinghamshire/incident")
    pages: dict[str | None, tuple[int, dict[str, str], bytes]] = {
        None: (200, {}, live(*(item(n) for n in range(30)), following="t")),
        "t": (200, {}, live(following="t")),
    }
    with Answers(lambda request: pages[request.query.get("token")]) as server:
        forces.read(feed, server.location)
        pages["t"] = (410, {}, b"")
        pages[None] = (200, {}, live(*(item(n) for n in range(1, 15)), following="u", complete=False))
        pages["u"] = (200, {}, live(*(item(n, 2 if n == 20 else 1) for n in range(15, 30)), following="v"))
        pages["v"] = (200, {}, live(following="v"))
        forces.read(feed, server.location)
    assert shape(forces.of(feed, "N0"), "Ref") == [(1, False, "N0"), (2, True, None)]
    assert shape(forces.of(feed, "N20"), "Version") == [(1, False, 1), (2, False, 2)]
    counts = forces.counts(feed)
    assert (counts["read"], counts["derived"], counts["unchanged"], counts["published"]) == (59, 1, 28, 32)


def live(*items, **more):
    """A page as of long after now, so that reading it proves everything before."""
    return xml(*items, as_of="2999-01-01T00:00:00Z", **more)


def item(number, version=1):
    return f"<Incident><Ref>N{number}</Ref><Version>{version}</Version><Caller>Jane</Caller></Incident>"
