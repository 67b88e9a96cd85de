"""A force's event becomes an alliance record: facts kept, blanks rather than guesses, doubts flagged."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domains import DOMAINS
from hub.errors import BadRecordError
from hub.normalise.alliance import Node, read_row
from hub.normalise.flags import PROBLEMS
from hub.normalise.mapping import compile_mapping
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from tests.mapped import OFFSET, PARTITION, TOPIC, built_in, event, feed, mapped, mapper

FEEDS = [feed(force, domain) for force in built_in() for domain in DOMAINS]


def test_an_incident_of_leicestershire_in_the_alliances_words():
    record = mapped(
        "leicestershire",
        key="2021-04-12:123",
        version=3,
        INC_NO=123,
        INC_DATE="2021-04-12",
        CREATED="2021-04-12 10:11:12",
        FIRST_DESPATCH="2021-04-12 10:15:00",
        STATUS_CODE="D",
        GRADE="3",
        OPEN_CODE="L101",
        QUALS="AL;DV",
        SUMMARY="Two men fighting",
        LOC_TEXT="Clock Tower, Leicester",
        POSTCODE="LE1 3YA",
        UPRN="2465012345",
        EASTING=458800,
        NORTHING=304600,
        BEAT="LC12",
        UNITS="LA12:6;LB03:5",
        NICHE_REF="21000123456",
        MARKING="RESTRICTED",
        RESTRICTED=False,
    )
    created = {
        "local": "2021-04-12 10:11:12",
        "earliest": 1618218672000000,
        "latest": 1618218672000000,
    }
    assert record | {"location": None, "provenance": None} == {
        "id": "urn:alliance:incident:leicestershire:command:2021-04-12:123",
        "force": "leicestershire",
        "system": "command",
        "source_key": "2021-04-12:123",
        "source_version": 3,
        "mapping_version": 1,
        "deleted": False,
        "restricted": False,
        "provenance": None,
        "reference": "123 of 12/04/2021",
        "created": created,
        "dispatched": {
            "local": "2021-04-12 10:15:00",
            "earliest": 1618218900000000,
            "latest": 1618218900000000,
        },
        "arrived": {"local": "", "earliest": None, "latest": None},
        "closed": {"local": "", "earliest": None, "latest": None},
        "status": {"local": "D", "common": "DISPATCHED"},
        "grade": {"local": "3", "common": "PRIORITY"},
        "opening": {"local": "L101", "common": "001", "category": "CRIME"},
        "closing": {"local": "", "common": "", "category": "UNKNOWN"},
        "qualifiers": [
            {"local": "AL", "common": "ALCOHOL"},
            {"local": "DV", "common": "DOMESTIC_ABUSE"},
        ],
        "summary": "Two men fighting",
        "location": None,
        "resources": [
            {"callsign": "LA12", "local": "6", "common": "AT_SCENE"},
            {"callsign": "LB03", "local": "5", "common": "EN_ROUTE"},
        ],
        "niche_reference": "21000123456",
        "marking": {"local": "RESTRICTED", "common": "OFFICIAL_SENSITIVE"},
        "flags": [],
    }
    place = record["location"]
    assert (place["text"], place["postcode"], place["beat"]) == ("Clock Tower, Leicester", "LE1 3YA", "LC12")
    assert place["uprn"] == "002465012345"
    assert record["provenance"] == {
        "source_position": "V_INCIDENT, row 7",
        "raw_topic": TOPIC,
        "raw_partition": PARTITION,
        "raw_offset": OFFSET,
        "read_at": 1_478_000_000_000_000,
        "changed_at": None,
    }


def test_lists_are_read_in_each_forces_own_form():
    tags = [{"local": "alcohol", "common": "ALCOHOL"}, {"local": "knife", "common": "KNIFE"}]
    assert mapped("nottinghamshire", Tags=["alcohol", "knife"])["qualifiers"] == tags
    assert mapped("northamptonshire", Flags="Alcohol|Hate (race)")["qualifiers"] == [
        {"local": "Alcohol", "common": "ALCOHOL"},
        {"local": "Hate (race)", "common": "HATE_RACE"},
    ]
    assert mapped("northamptonshire", Resources="NN01 At Scene|NN07 En Route")["resources"] == [
        {"callsign": "NN01", "local": "At Scene", "common": "AT_SCENE"},
        {"callsign": "NN07", "local": "En Route", "common": "EN_ROUTE"},
    ]
    units = [{"callsign": "ND1", "status": "6"}, {"callsign": "ND2", "status": None}]
    assert mapped("nottinghamshire", Units=units)["resources"] == [
        {"callsign": "ND1", "local": "6", "common": "AT_SCENE"},
        {"callsign": "ND2", "local": "", "common": "UNKNOWN"},
    ]


def test_a_person_of_the_shared_service_in_the_alliances_words():
    record = mapped(
        "northamptonshire",
        "hr",
        key="1234",
        EMPLOYEE_NUMBER="1234",
        WORKER_TYPE="Police Officer",
        GRADE_NAME="Sergeant",
        GRADE_BASIS="Acting",
        GRADE_END="31-DEC-2026",
        LAST_NAME="O'Neill",
        FIRST_NAME="Aoife",
        ORGANISATION="Armed Response",
        LOCATION_NAME="Wootton Hall",
        LOCATION_LAT="52.2100",
        LOCATION_LON="-0.8900",
        COMPETENCIES="Taser (31-DEC-2026), PIP 2 (01-JAN-2027), Detective",
        DUTY_STATUS="On Duty",
        DUTY_FROM="01-NOV-2026 07:00",
        DUTY_TO="01-NOV-2026 17:00",
        ASSIGNMENT_STATUS="Active",
    )
    assert record["id"] == "urn:alliance:staff:northamptonshire:1234"
    assert record["rank"] == {
        "local": "Sergeant",
        "common": "SERGEANT",
        "standing": "ACTING",
        "until": "2026-12-31",
    }
    assert record["skills"] == [
        {"local": "Taser", "common": "TASER", "expires": "2026-12-31"},
        {"local": "PIP 2", "common": "PIP_2", "expires": "2027-01-01"},
        {"local": "Detective", "common": "DETECTIVE", "expires": ""},
    ]
    assert (record["family_name"], record["given_names"], record["posting"]) == (
        "O'Neill",
        "Aoife",
        "Armed Response",
    )
    assert (record["duty"]["common"], record["duty"]["starts"]["local"]) == ("ON_DUTY", "01-NOV-2026 07:00")
    assert (record["kind"]["common"], record["employment"]["common"]) == ("POLICE_OFFICER", "EMPLOYED")
    assert (record["base"]["text"], record["base"]["latitude"]) == ("Wootton Hall", 52.21)
    assert record["flags"] == []


@pytest.mark.parametrize(
    ("text", "uprn", "problems"),
    [
        ("12345", "000000012345", []),
        ("123456789012", "123456789012", []),
        (" 12345 ", "000000012345", []),
        ("", "", []),
        ("0000", "", ["not_a_uprn"]),
        ("1234567890123", "", ["not_a_uprn"]),
        ("12A", "", ["not_a_uprn"]),
    ],
)
def test_a_property_reference_has_twelve_digits_or_is_blank(text, uprn, problems):
    record = mapped("leicestershire", UPRN=text)
    assert record["location"]["uprn"] == uprn
    assert [each["problem"] for each in record["flags"]] == problems


def test_items_of_a_list_that_are_not_in_its_form_are_flagged():
    record = mapped("leicestershire", UNITS="LA12:6;:3;;LB07")
    assert [(unit["callsign"], unit["common"]) for unit in record["resources"]] == [
        ("LA12", "AT_SCENE"),
        ("LB07", "UNKNOWN"),
    ]
    assert record["flags"] == [{"field": "resources", "problem": "not_an_item", "local": ":3"}]
    person = mapped("northamptonshire", "hr", key="7", COMPETENCIES="Taser (31-DEC-2026")
    assert [flag["problem"] for flag in person["flags"]] == ["not_an_item"]
    assert person["skills"] == [{"local": "Taser", "common": "TASER", "expires": "2026-12-31"}]


def test_a_bad_date_in_a_list_is_blank_and_flagged_each_time_it_comes():
    for _ in range(2):
        record = mapped("leicestershire", "hr", key="7", SKILLS="AFO=2027-02-31;TASER=2026-12-01")
        assert [skill["expires"] for skill in record["skills"]] == ["", "2026-12-01"]
        assert record["flags"] == [{"field": "skills", "problem": "no_such_date", "local": "2027-02-31"}]


def test_a_restricted_incident_travels_as_a_stub():
    record = mapped(
        "leicestershire", RESTRICTED=True, SUMMARY="Informant at risk", EASTING=458800, NORTHING=304600
    )
    stub = DOMAINS["incident"].stub_fields
    empty = mapped("leicestershire", deleted=True)
    assert record["restricted"] is True
    assert {name: value for name, value in record.items() if name not in (*stub, "provenance")} == {
        name: value for name, value in empty.items() if name not in (*stub, "provenance")
    }


def test_a_word_that_does_not_say_whether_a_record_is_restricted_restricts_it():
    record = mapped("northamptonshire", Sensitive="?", Description="Informant at risk")
    assert (record["restricted"], record["summary"]) == (True, "")
    assert record["flags"] == [{"field": "restricted", "problem": "unknown_word", "local": "?"}]


def test_a_force_that_shares_restricted_content_says_so_in_its_configuration():
    shares = compile_mapping(replace(feed("leicestershire"), shares_restricted=True))
    record = shares(event(feed("leicestershire"), RESTRICTED=True, SUMMARY="Informant at risk"), TOPIC, 0, 0)
    assert (record["restricted"], record["summary"]) == (True, "Informant at risk")


def test_a_deletion_keeps_what_its_row_states():
    record = mapped("leicestershire", deleted=True, SUMMARY="Withdrawn", RESTRICTED=False)
    assert (record["deleted"], record["summary"]) == (True, "Withdrawn")


def test_a_deletion_known_only_by_its_key_has_nothing_but_its_head():
    record = mapped("leicestershire", deleted=True)
    assert record["deleted"]
    assert not record["restricted"]
    assert record["flags"] == []
    assert record["location"]["geographic_force_basis"] == ""


@pytest.mark.parametrize(
    "head",
    [
        {"key": ""},
        {"record_id": "urn:alliance:incident:nottinghamshire:command:2016-11-01:7"},
        {"record_id": "urn:alliance:incident:leicestershire:command:2016-11-01:8"},
        {"record_id": ""},
        {"system": "other"},
    ],
)
def test_an_event_without_its_key_or_its_owner_is_refused(head):
    of = feed("leicestershire")
    with pytest.raises(BadRecordError, match="key"):
        mapper("leicestershire")(event(of, **head), TOPIC, 0, 0)


_LIKELY = st.sampled_from(
    ["", " ", "0", "1", "Y", "true", "2016-11-01 10:00:00", "2016-02-31", "31-DEC-2026", "SP 754 605", "L101",
     "A:B:C", "A=2016-02-31;B", "Taser (31-DEC-2026), (", ";;", "|", "52.9", "-1e400", "١", "\0", "a" * 5000]
)  # fmt: skip


def values_of(node: Node) -> st.SearchStrategy[Any]:
    """Anything the schema of a column lets through."""
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "string": st.text() | _LIKELY,
        "long": st.integers(-(2**63), 2**63 - 1) | st.integers(0, 700_000),
        "boolean": st.booleans(),
    }
    if node.kind == "array":
        assert node.item is not None
        return st.none() | st.lists(values_of(node.item), max_size=3)
    if node.kind == "record":
        return st.fixed_dictionaries({name: values_of(each) for name, each in node.fields.items()})
    return st.none() | kinds[node.kind] if node.nullable else kinds[node.kind]


CODEC = Codec(load_registry(built_in()))


@pytest.mark.parametrize("of", FEEDS, ids=str)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_a_row_holds_it_is_mapped_and_fits_the_alliances_schema(of, data):
    columns = read_row(of.schema)
    row = event(of, **{name: data.draw(values_of(node), label=name) for name, node in columns.items()})
    mapper(of.force, of.domain).ahead([row])
    record = mapper(of.force, of.domain)(row, TOPIC, PARTITION, OFFSET)
    topic = DOMAINS[of.domain].topic
    assert CODEC.decoder(topic)(CODEC.encoder(topic)(record)) == record
    assert {flag["problem"] for flag in record["flags"]} <= PROBLEMS.keys()
