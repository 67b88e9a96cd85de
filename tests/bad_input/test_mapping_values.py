"""Bad fields: blank, with their local text and a flag, and the record goes on; no key, no record."""

import pytest

from hub.errors import BadRecordError
from tests.mapped import TOPIC, event, feed, mapped, mapper


def flags(record):
    return [(flag["field"], flag["problem"], flag["local"]) for flag in record["flags"]]


def test_a_date_that_does_not_exist_is_blank_and_the_incident_goes_on():
    record = mapped("leicestershire", CREATED="2016-02-31 10:00:00", STATUS_CODE="O", SUMMARY="A fight")
    assert record["created"] == {"local": "2016-02-31 10:00:00", "earliest": None, "latest": None}
    assert flags(record) == [("created", "no_such_date", "2016-02-31 10:00:00")]
    assert (record["status"]["common"], record["summary"]) == ("OPEN", "A fight")


def test_the_repeated_hour_is_two_instants_and_flagged():
    record = mapped("northamptonshire", **{"Date Created": "30/10/2016 01:30"})
    assert record["created"]["latest"] - record["created"]["earliest"] == 3_600_000_000
    assert flags(record) == [("created", "repeated_hour", "30/10/2016 01:30")]


def test_the_missing_hour_is_blank_and_flagged():
    record = mapped("nottinghamshire", Raised="2016-03-27T01:30:00")
    assert record["created"] == {"local": "2016-03-27T01:30:00", "earliest": None, "latest": None}
    assert flags(record) == [("created", "missing_hour", "2016-03-27T01:30:00")]


def test_an_unknown_code_is_unknown_and_flagged():
    record = mapped("leicestershire", OPEN_CODE="L999", QUALS="AL;QQ")
    assert record["opening"] == {"local": "L999", "common": "", "category": "UNKNOWN"}
    assert [each["common"] for each in record["qualifiers"]] == ["ALCOHOL", "UNKNOWN"]
    assert flags(record) == [("opening", "unknown_code", "L999"), ("qualifiers", "unknown_code", "QQ")]


@pytest.mark.parametrize(
    ("force", "columns", "local"),
    [
        ("leicestershire", {"EASTING": 0, "NORTHING": 0}, "0, 0"),
        ("northamptonshire", {"Grid Ref": "XX 00000 00000"}, "XX 00000 00000"),
        ("nottinghamshire", {"Latitude": "0.0", "Longitude": "0.0"}, "0.0, 0.0"),
    ],
)
def test_a_coordinate_at_sea_is_blank_and_flagged(force, columns, local):
    record = mapped(force, **columns)
    place = record["location"]
    assert (place["x"], place["y"], place["latitude"], place["longitude"]) == (None, None, None, None)
    assert flags(record) == [("location", "outside_grid", local)]


def test_a_person_without_a_number_is_refused():
    staff = feed("leicestershire", "hr")
    with pytest.raises(BadRecordError, match="no key"):
        mapper("leicestershire", "hr")(event(staff, key="", SURNAME="Nobody"), TOPIC, 0, 0)


def test_a_field_of_ten_megabytes_is_kept_once_and_only_its_head_in_the_flag():
    text = "9" * 10_000_000
    record = mapped("leicestershire", CLOSED=text)
    assert record["closed"]["local"] == text
    assert len(record["flags"][0]["local"]) == 1001
