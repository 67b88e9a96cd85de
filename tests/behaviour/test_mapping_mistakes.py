"""Mistakes in a mapping are found at start, all at once: file, key, what is wrong and the remedy."""

from pathlib import Path

import pytest

from hub.errors import ConfigurationError
from hub.forces import load_forces
from hub.normalise.mapping import check_mapping, compile_mapping, compile_mappings
from tests.mapped import BUILT_IN, copied_feed, copied_force, edited


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied_force(tmp_path)


def mistakes(folder: Path) -> list[str]:
    return check_mapping(copied_feed(folder))


def test_the_built_in_mappings_have_no_mistakes():
    forces = load_forces([card.parent for card in BUILT_IN.glob("*/force.toml")])
    assert len(compile_mappings(forces.values())) == 6


# What to change in incident.toml, and the key and words of the mistake it makes.
MISTAKES = [
    ('from = "SUMMARY"', 'from = "SUMARY"', "mapping.fields.summary.from", "did you mean 'SUMMARY'?"),
    ("summary =", "sumary =", "mapping.fields.sumary", "did you mean 'summary'?"),
    ('by = "osgb36"', 'by = "osgb63"', "mapping.fields.location.by", "did you mean 'osgb36'?"),
    ('by = "osgb36"', 'by = "osgb36", size = 1', "mapping.fields.location.size", "no such option"),
    ('by = "osgb36"', 'by = "uprn"', "mapping.fields.location", "it gives string, but the field is record"),
    ('["EASTING", "NORTHING"]', '["EASTING"]', "mapping.fields.location", "'from' names 1 columns"),
    ('["EASTING", "NORTHING"]', '["EASTING", "RESTRICTED"]', "mapping.fields.location", "is boolean"),
    ('"%Y-%m-%d %H:%M:%S" }\ndisp', '"%y" }\ndisp', "mapping.fields.created.format", "'%y' is not known"),
    ('from = "CREATED", by', "by", "mapping.fields.created.from", "required"),
    ('codes = "status"', 'codes = "statuses"', "mapping.fields.status", "did you mean 'status'?"),
    (', on = "CREATED"', "", "mapping.fields.grade", "name with `on` the column"),
    ('on = "CREATED"', 'on = "SUMMARY"', "mapping.fields.grade", "which no rule reads by local_time"),
    ('codes = "status"', 'codes = "grade", on = "CREATED"', "mapping.fields.status", "'EMERGENCY' is not an"),
    ('"code", digits = 3', '"code", digits = 4', "mapping.fields.opening", "'001' is not 4 digits"),
    ('otherwise = "OFFICIAL_', 'otherwise = "OFICIAL_', "mapping.fields.marking", "`otherwise` 'OFICIAL_"),
    ("otherwise = true", 'otherwise = "maybe"', "mapping.fields.restricted.otherwise", "boolean"),
    ('"{callsign}:{local}"', '"{call}:{local}"', "mapping.fields.resources", "have no field 'call'"),
    ('"{callsign}:{local}"', '":{local}"', "mapping.fields.resources.item", "begins with a {field}"),
    ('"{callsign}:{local}"', '"{callsign}{local}"', "mapping.fields.resources.item", "after some text"),
    ('"{callsign}:{local}"', '"{callsign}"', "mapping.fields.resources", "does not name"),
    ('between = ";", item = "{local}"', 'item = "{local}"', "mapping.fields.qualifiers", "`between`"),
    ("version = 1", "version = 0", "mapping.version", "greater than or equal to 1"),
    ("version = 1", 'version = 1\nblank = ["sumary"]', "mapping.blank", "did you mean 'summary'?"),
    ("version = 1", 'version = 1\nblank = ["summary"]', "mapping.blank", "is filled by a rule"),
    ("version = 1", "version = 1\nversions = 2", "mapping.versions", "no such option"),
    ('summary = { from = "SUMMARY", by = "text" }\n', "", "mapping.fields", "no rule fills 'summary'"),
    ('location = { from = ["EAST', 'base = { from = ["EAST', "mapping.fields", "no rule fills 'location.x'"),
    ("created = {", 'id = { from = "INC_NO" }\ncreated = {', "mapping.fields.id", "fills this field"),
    ("created = {", '"closed.local" = { from = "GRADE" }\ncreated = {', "mapping.fields.closed", "also"),
    ("status = {", '"status.common" = { from = "GRADE" }\nx = {', "mapping.fields.status.common", "is enum"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "key", "words"), MISTAKES)
def test_each_mistake_is_named_with_its_file_and_key(folder, old, new, key, words):
    edited(folder / "incident.toml", old, new)
    found = mistakes(folder)
    wanted = [each for each in found if each.startswith(f"{folder / 'incident.toml'}: {key}: ")]
    assert any(words in each for each in wanted), found


@pytest.mark.parametrize(
    ("table", "text", "words"),
    [
        ("status", "local,comon\nO,OPEN\n", "the header must name local and common"),
        ("status", "local,common,local\nO,OPEN,P\n", "each column once"),
        ("status", "", "the header must name"),
        ("status", "local,common\n", "has no rows"),
        ("status", "local,common\nO,OPENED\n", "line 2: common 'OPENED' is not an alliance value; use OPEN"),
        ("status", "local,common\nO,OPEN\nO,CLOSED\n", "lines 2 and 3: 'O' stands twice on the same days"),
        ("status", "local,common\nO,OPEN,x\n", "line 2: 3 cells under 2 columns"),
        ("status", "local,common,colour\nO,OPEN,red\n", "a column 'colour' that the field has not"),
        ("grade", "local,common,from\n1,EMERGENCY,01/10/2020\n", "line 2: from and until are YYYY-MM-DD"),
        ("grade", "local,common,from,until\n1,EMERGENCY,2020-10-02,2020-10-01\n", "before it begins"),
        (
            "grade",
            "local,common,from,until\n3,SCHEDULED,,2020-10-01\n3,PRIORITY,2020-10-01,\n",
            "lines 2 and 3: '3' stands twice on the same days",
        ),
        ("code", "local,common,category\nL101,1,CRIME\n", "line 2: '1' is not 3 digits"),
        ("code", "local,common,category\nL101,001,CRIMES\n", "category 'CRIMES' is not an alliance value"),
    ],
)
def test_each_mistake_of_a_code_table_is_named_with_its_file_and_line(folder, table, text, words):
    (folder / "codes" / f"{table}.csv").write_text(text)
    found = mistakes(folder)
    assert any(words in each and f"{table}.csv" in each for each in found), found


def test_a_code_table_that_is_not_utf_8_is_refused(folder):
    (folder / "codes" / "status.csv").write_bytes("local,common\n£,OPEN\n".encode("cp1252"))
    assert any("status.csv is not UTF-8" in each for each in mistakes(folder))


def test_all_mistakes_of_all_feeds_are_told_at_once(folder):
    edited(folder / "incident.toml", 'from = "SUMMARY"', 'from = "SUMARY"')
    edited(folder / "incident.toml", 'by = "osgb36"', 'by = "osgb63"')
    edited(folder / "hr.toml", 'codes = "rank"', 'codes = "ranks"')
    (folder / "codes" / "status.csv").write_text("local,common\nO,OPENED\n")
    (folder / "codes" / "skill.csv").write_text("local,common\nAFO,ARMED\n")
    forces = load_forces([folder])
    with pytest.raises(ConfigurationError) as told:
        compile_mappings(forces.values())
    lines = str(told.value).splitlines()
    for part in ("summary.from", "location.by", "rank: ", "status.csv", "skill.csv"):
        assert [line for line in lines if part in line], part
    assert all(line.startswith(str(folder)) for line in lines)


def test_a_mistake_in_a_rule_does_not_make_its_field_missing_too(folder):
    edited(folder / "incident.toml", 'from = "SUMMARY"', 'from = "SUMARY"')
    assert len(mistakes(folder)) == 1
    with pytest.raises(ConfigurationError, match="SUMARY"):
        compile_mapping(copied_feed(folder))


def test_a_mapping_cannot_run_code(folder):
    edited(folder / "incident.toml", 'by = "osgb36"', "by = \"__import__('os').system\"")
    assert any("no transform is called" in each for each in mistakes(folder))
