"""The stand-ins hold what is true, in each force's own format, and go on with it when started again."""

import csv
import datetime as dt
import shutil
import urllib.request
from collections import Counter
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest
from lxml import etree

from connectors.standins.csv_incidents import grid_reference
from connectors.standins.legacy import LegacySystems
from connectors.standins.mess import Mess
from connectors.standins.planted import PLANTED
from connectors.standins.truth import Skill, TruthIncident, TruthPerson
from connectors.standins.vocabulary import VOCABULARIES
from hub.forces import Force, load_forces
from tests.legacy import Clock, builtin_forces, legacy_systems, of
from tests.standins_read import FORCES, FULL, csv_lines, feed_page, newest_extract, raise_full, sql_rows

TABLES = (
    "status", "grade", "code", "qualifier", "unit_state", "marking",
    "kind", "rank", "standing", "skill", "duty", "employment",
)  # fmt: skip


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def legacy(tmp_path: Path, clock: Clock):
    with legacy_systems(tmp_path / "legacy", clock) as systems:
        yield systems


def test_every_word_of_a_stand_in_stands_in_its_forces_code_tables_with_the_same_meaning():
    for force in FORCES:
        for table in TABLES:
            path = Path(str(files("connectors"))) / force / "codes" / f"{table}.csv"
            with path.open(encoding="utf-8", newline="") as lines:
                rows = {
                    (row["local"], row["common"], row["from"], row["until"], row.get("category") or "")
                    for row in csv.DictReader(lines)
                }
            words = getattr(VOCABULARIES[force], table)
            said = {(w.local, w.common, w.since, w.until, w.category) for w in words}
            assert said - rows == set(), f"{force}/codes/{table}.csv"


def test_leicestershire_renders_an_incident_in_its_view(legacy: LegacySystems):
    raise_full(legacy, "leicestershire")
    (row,) = sql_rows(legacy, "incident", "V_INCIDENT")
    assert row["INC_DATE"] == "2026-06-01"
    assert row["INC_NO"] == 1
    assert row["CREATED"] == "2026-06-01 11:00:00"  # an hour ahead of UTC in June
    assert row["FIRST_ARRIVAL"] == "2026-06-01 11:07:00"
    assert row["CLOSED"] is None
    assert (row["STATUS_CODE"], row["GRADE"], row["QUALS"]) == ("A", "2", "AL;YO")
    assert row["UNITS"] == "XX07:6;XX12:5"
    assert (row["EASTING"], row["NORTHING"]) == (458771, 304545)
    assert row["CALLER_NAME"] == PLANTED["CALLER_NAME"]


@pytest.mark.postgres
def test_leicestershires_incidents_can_stand_in_postgresql(tmp_path: Path, clock: Clock, postgres_url: str):
    with legacy_systems(tmp_path, clock, urls={"leicestershire": postgres_url}) as legacy:
        ids = [raise_full(legacy, "leicestershire") for _ in range(3)]
        mess = Mess(legacy)
        mess.take_back(ids[0])
        mess.delete_hard(ids[1])
        mess.correct(ids[2], "Corrected")
        assert legacy.locations()["leicestershire"]["incident"] == postgres_url
        assert legacy.count("leicestershire", "incident") == 1
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute('select "INC_NO", "SUMMARY", "IS_DELETED" from "V_INCIDENT" order by 1')
        assert rows.fetchall() == [(1, FULL["summary"], True), (3, "Corrected", False)]


def test_a_force_that_joins_is_given_the_format_of_its_kind_of_source(tmp_path: Path, clock: Clock):
    forces: dict[str, Force] = {}
    for name in FORCES:
        folder = tmp_path / name
        shutil.copytree(builtin_forces()[name].folder, folder)
        (folder / "force.toml").write_text(
            f'name = "like-{name}"\ntitle = "Joining"\ncode = "32"\narea = "E23000020"\n', "utf-8"
        )
        for domain in ("incident", "hr"):
            schema = builtin_forces()[name].feeds[domain].schema
            shutil.copy(schema, folder / f"{domain}.avsc")
        forces |= load_forces([folder])
    legacy = LegacySystems(tmp_path / "legacy", forces, clock=clock)
    with closing(legacy):
        for name in forces:
            at = dt.datetime(2026, 6, 1, 10, 0, tzinfo=dt.UTC)
            identity = legacy.raise_incident(name, at, at.date(), grade="PRIORITY", opening="101")
            assert identity.startswith(f"urn:alliance:incident:{name}:command:")
            legacy.finish()
            assert legacy.count(name, "incident") == 1
            assert legacy.count(name, "hr") == 0


def test_northamptonshire_renders_an_incident_as_a_line_of_a_drop(legacy: LegacySystems):
    raise_full(legacy, "northamptonshire")
    (line,) = csv_lines(legacy)
    assert (line["Log No"], line["Log Date"], line["Action"]) == ("1", "01/06/2026", "N")
    assert line["Date Created"] == "01/06/2026 11:00"
    assert (line["State"], line["Response"], line["Flags"]) == ("ON SCENE", "Prompt", "Alcohol|Youth")
    assert line["Description"] == FULL["summary"]
    assert line["Resources"] == "XX07 At Scene|XX12 En Route"
    assert line["Grid Ref"].startswith("SP 75")
    assert line["Informant"] == PLANTED["Informant"]


def test_nottinghamshire_renders_an_incident_as_an_item_of_its_feed(legacy: LegacySystems):
    raise_full(legacy, "nottinghamshire")
    (item,) = feed_page(legacy)
    texts = {element.tag: element.text for element in item}
    assert (texts["Ref"], texts["Version"]) == ("NG-20260601-0001", "1")
    assert (texts["Raised"], texts["State"]) == ("2026-06-01T11:00:00", "attending")
    assert "Resolved" not in texts
    assert [tag.text for tag in item.iter("Tag")] == ["alcohol", "youth"]
    assert [dict(unit.attrib) for unit in item.iter("Unit")] == [
        {"callsign": "XX07", "status": "6"},
        {"callsign": "XX12", "status": "5"},
    ]
    assert texts["Caller"] == PLANTED["Caller"]


def test_a_grid_reference_names_the_square_of_the_national_grid():
    assert grid_reference(475_400.9, 260_500.2) == "SP 75400 60500"
    assert grid_reference(530_000, 180_000) == "TQ 30000 80000"
    assert grid_reference(216_677, 771_288) == "NN 16677 71288"  # Ben Nevis


def test_people_stand_in_both_hr_systems_with_what_must_never_be_read(legacy: LegacySystems):
    rows = sql_rows(legacy, "hr", "V_PERSON")
    assert len(rows) == len(of(legacy.truth(), "leicestershire", TruthPerson))
    assert all(row["NI_NUMBER"] == PLANTED["NI_NUMBER"] for row in rows)
    extract = newest_extract(legacy)
    codes = Counter(row["ORG_CODE"] for row in extract)
    assert codes["34"] == len(of(legacy.truth(), "northamptonshire", TruthPerson))
    assert codes["31"] == len(of(legacy.truth(), "nottinghamshire", TruthPerson))
    assert codes["30"] > 0
    assert codes["99"] == 1
    assert all(row["SORT_CODE"] == PLANTED["SORT_CODE"] for row in extract)


def test_skills_and_ranks_are_written_with_their_days(legacy: LegacySystems):
    skills = (Skill("TASER", dt.date(2026, 12, 31)), Skill("PIP_2"))
    for force in FORCES:
        first = of(legacy.truth(), force, TruthPerson)[0]
        legacy.change(
            first, standing="ACTING", rank="SERGEANT", rank_until=dt.date(2026, 9, 3), skills=skills
        )
    row = next(row for row in sql_rows(legacy, "hr", "V_PERSON") if row["RANK_UNTIL"] == "2026-09-03")
    assert row["SKILLS"] == "TASER=2026-12-31;PIP2="
    line = next(line for line in newest_extract(legacy) if line["GRADE_END"] == "03-SEP-2026")
    assert line["COMPETENCIES"] == "Taser (31-DEC-2026), PIP 2"


def test_a_second_start_goes_on_where_the_first_stopped(tmp_path: Path, clock: Clock):
    with legacy_systems(tmp_path, clock) as first:
        ids = [raise_full(first, force) for force in FORCES]
        for identity in ids:
            first.change(identity, status="CLOSED")
        before = first.truth()
    with legacy_systems(tmp_path, clock) as second:
        assert second.truth() == before
        assert [second.count(force, "incident") for force in FORCES] == [1, 1, 1]
        assert feed_page(second)[0].findtext("Version") == "2"
        again = [raise_full(second, force) for force in FORCES]
        assert not set(ids) & set(again)
        assert [second.count(force, "incident") for force in FORCES] == [2, 2, 2]


def test_a_drop_left_unfinished_is_cut_to_whole_lines_and_handed_over(tmp_path: Path, clock: Clock):
    with legacy_systems(tmp_path, clock) as first:
        raise_full(first, "northamptonshire")
        folder = Path(first.locations()["northamptonshire"]["incident"])
        (part,) = folder.glob("INC_*.part")
        half = part.read_bytes() + b"2,01/06/20"
    for file in folder.iterdir():  # closing has finished it: put back what a kill would leave
        file.unlink()
    part.write_bytes(half)
    with legacy_systems(tmp_path, clock) as second:
        assert [line["Log No"] for line in csv_lines(second)] == ["1"]


def test_drops_wait_until_they_are_old_enough_to_be_handed_over(legacy: LegacySystems, clock: Clock):
    folder = Path(legacy.locations()["northamptonshire"]["incident"])
    raise_full(legacy, "northamptonshire")
    legacy.tick()
    assert not [file for file in folder.iterdir() if file.suffix != ".part"]
    clock.forward(1)
    legacy.tick()
    assert len(list(folder.glob("*.done"))) == 1


def test_the_feed_pages_through_everything_and_answers_304_to_what_is_known(legacy: LegacySystems):
    day = dt.date(2026, 6, 1)
    numbers = range(1, 1101)
    truths = [TruthIncident("nottinghamshire", day, n, legacy.clock()) for n in numbers]
    legacy.enter(truths, [legacy.clock()] * len(truths))
    seen: list[str | None] = []
    token = ""
    complete: str | None = "false"
    while complete == "false":
        page = feed_page(legacy, token)
        seen += [item.findtext("Ref") for item in page]
        token, complete = str(page.get("next")), page.get("complete")
    assert len(seen) == len(set(seen)) == 1100
    location = legacy.locations()["nottinghamshire"]["incident"]
    url = f"{location}?token={token}"
    with urllib.request.urlopen(url) as answer:
        tag = answer.headers["ETag"]
    with pytest.raises(urllib.error.HTTPError) as known:
        urllib.request.urlopen(urllib.request.Request(url, headers={"If-None-Match": tag}))
    assert known.value.code == 304
    known.value.close()
    with urllib.request.urlopen(f"{location}?count=1") as answer:
        assert etree.fromstring(answer.read()).get("count") == "1100"


def test_every_record_id_names_the_row_in_its_system(legacy: LegacySystems):
    ids = [raise_full(legacy, force) for force in FORCES]
    assert [unquote(identity) for identity in ids] == [
        "urn:alliance:incident:leicestershire:command:2026-06-01:1",
        "urn:alliance:incident:northamptonshire:command:01/06/2026:1",
        "urn:alliance:incident:nottinghamshire:command:NG-20260601-0001",
    ]
    assert "urn:alliance:staff:nottinghamshire:1001" in legacy.truth()
