"""What every published schema promises: ids for good, words for every field, a class for what is personal."""

import json

import pytest

from hub.domains import DOMAINS
from hub.forces import SCHEMAS
from hub.schema.registry import load_registry
from hub.schema.rules import check_enums, check_explained, check_force_schema, walk

VERSIONS = list(load_registry())
FORCES = ("leicestershire", "northamptonshire", "nottinghamshire")

PUBLISHED = {
    1: ("alliance.incident.v1-value", 1, "7b1b9c2ae35a160fb8fb88f582c2c2da6a3c668d12c29c295c51286fcc4b279e"),
    2: ("alliance.hr.v1-value", 1, "6abed1ac66899411ff181a5e4664213b691e938cf0d8709785d7ebeadcac4bcb"),
    3: ("*.positions.v1-value", 1, "e4ce5af9a21e31de46c076b2298107575d08eefa33d049f63609b8f8639334b9"),
    4: ("*.dlq-value", 1, "d4ba26fcdb71353d853eb0d67a25062162208dda4817f75dd4bb848b585fcdea"),
    5: ("hub.audit.v1-value", 1, "1e47bdc73bd10ff4e302e9aa57c8cc029d01963b2dae3114a558fb1fa46032e6"),
    6: ("hub.mapping.v1-value", 1, "6a30b89d843cefd369a20beef4f9c555bd1965be85bd8221b94a8bbc7e2ef392"),
    7: (
        "leicestershire.incident.v1-value",
        1,
        "cce21f7748c348652d42e2ac0993dd8c4d4396e7a28d26d1fa910e9f747329de",
    ),
    8: ("leicestershire.hr.v1-value", 1, "58613741f8cac72d81dda181732f9adbd62d0e488b672e648e29c7b82199d8f5"),
    9: (
        "northamptonshire.incident.v1-value",
        1,
        "4ea9bee7c641f262f042cabd8424042991cf418bda26ce8f462a4b06ffd95a70",
    ),
    10: (
        "northamptonshire.hr.v1-value",
        1,
        "aeafd83cacc47f4f2b01b382dd498e7a15eeaad853624b2d06760d32c9e8cf84",
    ),
    11: (
        "nottinghamshire.incident.v1-value",
        1,
        "8781285eeaf26edffa142a7aaa4f1f3e7c16c60f95e50404d25c268416de808a",
    ),
    12: (
        "nottinghamshire.hr.v1-value",
        1,
        "29fd18f7b2f2771679ccf03fd0bfac5ba6bc248db2277d20a031b677ba42f168",
    ),
    13: ("*.control.v1-value", 1, "800307f7de3987a6d5aff4df71bb2bbad3d739182029ec6a71995878a73f2291"),
    14: ("hub.dead-letters.v1-value", 1, "65a32a47ad140201e71f1cf0c2a5392e045a6c8c2c8e6bb49595a41ec1b49120"),
    15: ("*.dlq-value", 2, "1712ce246bb4b42c4cb40f98c5bd54289eedc0f2dc0133bd58225703e1398e4d"),
}
"""Every id ever given, with its subject, version and fingerprint. Lines are added, never changed."""

NEVER_READ = frozenset(
    [
        "CALLER_NAME",
        "CALLER_PHONE",
        "NI_NUMBER",
        "BANK_ACCOUNT",
        "SALARY",
        "ABSENCE_REASON",
        "Informant",
        "Caller",
        "NINO",
        "PAY_POINT",
        "SORT_CODE",
        "ABSENCE_CATEGORY",
    ]
)
"""Columns that the sources have and the hub does not ask for."""


def each_version():
    return pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)


def test_an_id_once_given_means_the_same_schema_for_ever():
    assert {v["id"]: (v["subject"], v["version"], v["sha256"]) for v in index()} == PUBLISHED


def index():
    return json.loads((SCHEMAS / "index.json").read_text())


def test_every_schema_file_is_in_the_index():
    files = {file.relative_to(SCHEMAS).as_posix() for file in SCHEMAS.glob("*/*.avsc")}
    assert files == {entry["file"] for entry in index()}


def test_every_domain_has_a_schema_of_the_alliance_and_of_every_force():
    files = {entry["file"] for entry in index()}
    for owner in ("alliance", *FORCES):
        assert {f"{owner}/{domain}.avsc" for domain in DOMAINS} <= files


@each_version()
def test_every_type_and_field_is_explained_and_no_class_is_misspelt(version):
    assert check_explained(version.schema) == []


@pytest.mark.parametrize("force", FORCES)
def test_a_force_schema_is_the_envelope_and_a_row(force):
    for version in VERSIONS:
        if version.subject.startswith(f"{force}."):
            assert check_force_schema(version.schema) == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_alliance_enum_has_unknown_first_and_as_default(domain):
    (version,) = (v for v in VERSIONS if v.subject == f"alliance.{domain}.v1-value")
    assert any(node.get("type") == "enum" for _, node in walk(version.schema))
    assert check_enums(version.schema) == []


@each_version()
def test_a_column_that_must_never_be_read_is_in_no_schema(version):
    for path, node in walk(version.schema):
        assert {node["name"], node.get("column")}.isdisjoint(NEVER_READ), path


@pytest.mark.parametrize(
    ("file", "personal", "sensitive"),
    [
        ("alliance/incident.avsc", "text postcode uprn x y latitude longitude", "summary qualifiers"),
        ("alliance/hr.avsc", "staff_number family_name given_names", ""),
        ("leicestershire/incident.avsc", "LOC_TEXT POSTCODE UPRN EASTING NORTHING", "SUMMARY QUALS"),
        ("leicestershire/hr.avsc", "STAFF_NO SURNAME FORENAMES", ""),
        ("northamptonshire/incident.avsc", "Address Post_Code Grid_Ref", "Description Flags"),
        ("northamptonshire/hr.avsc", "EMPLOYEE_NUMBER LAST_NAME FIRST_NAME", ""),
        ("nottinghamshire/incident.avsc", "Address Postcode UPRN Latitude Longitude", "Synopsis Tags"),
        ("nottinghamshire/hr.avsc", "EMPLOYEE_NUMBER LAST_NAME FIRST_NAME", ""),
        ("hub/audit.avsc", "", "justification"),
    ],
)
def test_personal_fields_carry_their_class(file, personal, sensitive):
    (version,) = (v for v in VERSIONS if v.name == file)
    classes = {node["name"]: node.get("class") for _, node in walk(version.schema) if "fields" not in node}
    assert {classes[name] for name in personal.split()} <= {"personal"}
    assert {classes[name] for name in sensitive.split()} <= {"sensitive"}


def test_the_original_bytes_of_a_dead_letter_are_restricted():
    (version,) = (v for v in VERSIONS if v.name == "hub/dead_letter.avsc")
    (value,) = (node for path, node in walk(version.schema) if path == "value")
    assert value["class"] == "restricted"


def test_a_column_whose_name_avro_does_not_allow_is_named_beside_the_field():
    (version,) = (v for v in VERSIONS if v.name == "northamptonshire/incident.avsc")
    columns = {node["column"]: node["name"] for _, node in walk(version.schema) if "column" in node}
    assert columns["Log No"] == "Log_No"
    assert all(name == column.replace(" ", "_") for column, name in columns.items())


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ({"name": "A", "type": "string", "doc": "A."}, "'row.A' must be a union of null and its type"),
        (
            {"name": "A", "type": ["null", "string"], "doc": "A."},
            "'row.A' must be a union of null and its type",
        ),
        ({"name": "A", "type": ["string", "null"], "default": "", "doc": "A."}, "'row.A' must be a union"),
    ],
)
def test_a_force_schema_whose_row_could_not_hold_a_null_is_refused(field, problem):
    schema = json.loads((SCHEMAS / "leicestershire" / "hr.avsc").read_text())
    schema["fields"][-1]["type"]["fields"].append(field)
    (found,) = check_force_schema(schema)
    assert found.startswith(problem)


def test_a_force_schema_without_the_envelope_is_refused():
    schema = json.loads((SCHEMAS / "leicestershire" / "hr.avsc").read_text())
    schema["fields"][3]["type"] = "int"
    assert check_force_schema(schema) == ["'source_version' must be of type long"]
    del schema["fields"][3]
    (found,) = check_force_schema(schema)
    assert found.startswith("must have the fields record_id, system, key, source_version")
