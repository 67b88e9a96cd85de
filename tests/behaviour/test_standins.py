"""The stand-ins hold what is true, in each force's own format, with the mess of real systems."""

import csv
import datetime as dt
import shutil
import sqlite3
import urllib.request
from collections import Counter
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest
from lxml import etree

from connectors.standins.busy import Busy, give_past
from connectors.standins.csv_incidents import grid_reference
from connectors.standins.legacy import LegacySystems
from connectors.standins.mess import Mess
from connectors.standins.places import TOWNS
from connectors.standins.planted import PLANTED
from connectors.standins.truth import Place, Skill, Truth, TruthIncident, TruthPerson, Unit, local
from connectors.standins.vocabulary import VOCABULARIES
from hub.forces import Force, load_forces
from tests.legacy import Clock, builtin_forces, legacy_systems, of

FORCES = ("leicestershire", "northamptonshire", "nottinghamshire")
TABLES = (
    "status", "grade", "code", "qualifier", "unit_state", "marking",
    "kind", "rank", "standing", "skill", "duty", "employment",
)  # fmt: skip
FULL = {
    "status": "AT_SCENE",
    "grade": "PRIORITY",
    "opening": "302",
    "qualifiers": ("ALCOHOL", "YOUTH"),
    "summary": 'Collision; "two cars", café £5',
    "units": (Unit("XX07", "AT_SCENE"), Unit("XX12", "EN_ROUTE")),
    "niche": "26310000001",
    "marking": "OFFICIAL_SENSITIVE",
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def legacy(tmp_path: Path, clock: Clock):
    with legacy_systems(tmp_path / "legacy", clock) as systems:
        yield systems


def place_in(force: str) -> Place:
    town = TOWNS[force][0]
    return Place("1 High Street", "AB1 2CD", "000012345678", town.latitude, town.longitude, town.beat)


def raise_full(legacy: LegacySystems, force: str) -> str:
    at = dt.datetime(2026, 6, 1, 10, 0, tzinfo=dt.UTC)
    later = at + dt.timedelta(minutes=7)
    return legacy.raise_incident(
        force, at, local(at).date(), dispatched=at, arrived=later, place=place_in(force), **FULL
    )


def sql_rows(legacy: LegacySystems, domain: str, table: str) -> list[dict[str, object]]:
    path = legacy.locations()["leicestershire"][domain].removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute(f'select * from "{table}"')]
    connection.close()
    return rows


def csv_lines(legacy: LegacySystems) -> list[dict[str, str]]:
    """Every line of every drop that is marked whole, in order of the drops' names."""
    legacy.finish()
    folder = Path(legacy.locations()["northamptonshire"]["incident"])
    lines: list[dict[str, str]] = []
    for file in sorted(folder.glob("INC_*.csv")):
        assert file.with_name(file.name + ".done").exists()
        with file.open(encoding="cp1252", newline="") as text:
            lines += csv.DictReader(text)
    return lines


def newest_extract(legacy: LegacySystems) -> list[dict[str, str]]:
    legacy.finish()
    folder = Path(legacy.locations()["nottinghamshire"]["hr"])
    header, *rows, trailer = max(folder.glob("MFSS_HR_*.txt")).read_text("utf-8").splitlines()
    assert trailer == f"TRAILER|{len(rows)}"
    return [dict(zip(header.split("|"), row.split("|"), strict=True)) for row in rows]


def feed_page(legacy: LegacySystems, token: str = "") -> etree._Element:
    location = legacy.locations()["nottinghamshire"]["incident"]
    with urllib.request.urlopen(f"{location}?token={token}") as answer:
        return etree.fromstring(answer.read())


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


@pytest.mark.parametrize("force", FORCES)
def test_what_is_taken_back_is_no_longer_counted(legacy: LegacySystems, force: str):
    mess = Mess(legacy)
    ids = [raise_full(legacy, force) for _ in range(3)]
    mess.take_back(ids[0])
    assert legacy.count(force, "incident") == 2
    mess.put_again(ids[0])
    assert legacy.count(force, "incident") == 3


def test_each_force_takes_back_in_its_own_way(legacy: LegacySystems):
    mess = Mess(legacy)
    for force in FORCES:
        mess.take_back(raise_full(legacy, force))
    (row,) = sql_rows(legacy, "incident", "V_INCIDENT")
    assert row["IS_DELETED"] == 1
    assert [line["Action"] for line in csv_lines(legacy)] == ["N", "X"]
    (removal,) = feed_page(legacy)
    assert (removal.tag, removal.get("ref"), removal.get("version")) == ("Removal", "NG-20260601-0001", "2")


def test_a_hard_delete_leaves_no_row(legacy: LegacySystems):
    identity = raise_full(legacy, "leicestershire")
    Mess(legacy).delete_hard(identity)
    assert sql_rows(legacy, "incident", "V_INCIDENT") == []
    assert legacy.truth()[identity].deleted


def test_a_late_commit_is_stamped_before_rows_that_were_there_first(legacy: LegacySystems):
    raise_full(legacy, "leicestershire")
    Mess(legacy).late_commit("leicestershire", minutes=20)
    first, late = sql_rows(legacy, "incident", "V_INCIDENT")
    assert str(late["LAST_UPDATED"]) < str(first["LAST_UPDATED"])


@pytest.mark.parametrize("force", FORCES)
def test_numbers_restart_at_midnight(legacy: LegacySystems, force: str):
    Mess(legacy).across_midnight(force, dt.date(2026, 6, 1))
    incidents = [record for record in legacy.truth().values() if isinstance(record, TruthIncident)]
    assert sorted((record.date.day, record.number) for record in incidents) == [(1, 1), (2, 1)]


@pytest.mark.parametrize("year", [2014, 2024, 2026])
def test_the_october_night_gives_two_instants_one_local_time(legacy: LegacySystems, year: int):
    ids = Mess(legacy).october_night("leicestershire", year)
    incidents = [record for record in legacy.truth().values() if isinstance(record, TruthIncident)]
    assert len({incident.created for incident in incidents}) == len(ids) == 4
    texts = [row["CREATED"] for row in sql_rows(legacy, "incident", "V_INCIDENT")]
    assert Counter(Counter(texts).values()) == {2: 2}


def test_duplicates_add_nothing_to_what_is_true(legacy: LegacySystems):
    mess = Mess(legacy)
    ids = [raise_full(legacy, force) for force in FORCES]
    before = legacy.truth()
    for identity in ids:
        mess.duplicate(identity)
    assert legacy.truth() == before
    assert [legacy.count(force, "incident") for force in FORCES] == [1, 1, 1]
    assert len(csv_lines(legacy)) == 2
    assert feed_page(legacy)[0].findtext("Version") == "1"
    assert feed_page(legacy).get("next") == "2"


def test_there_and_back_ends_as_it_began_and_shows_what_was_between(legacy: LegacySystems):
    mess = Mess(legacy)
    identity = raise_full(legacy, "northamptonshire")
    before, between = mess.there_and_back(identity)
    assert legacy.truth()[identity] == before != between
    assert [line["Response"] for line in csv_lines(legacy)] == ["Prompt", "Immediate", "Prompt"]
    person = of(legacy.truth(), "leicestershire", TruthPerson)[0]
    before, between = mess.there_and_back(person)
    assert legacy.truth()[person] == before != between


def test_closed_incidents_are_corrected_reopened_and_restricted(legacy: LegacySystems):
    mess = Mess(legacy)
    identity = raise_full(legacy, "leicestershire")
    legacy.change(identity, status="CLOSED", closed=legacy.clock(), closing="302")
    mess.reopen(identity)
    mess.correct(identity, "Collision, corrected")
    mess.restrict(identity)
    (row,) = sql_rows(legacy, "incident", "V_INCIDENT")
    assert (row["STATUS_CODE"], row["CLOSED"], row["CLOSE_CODE"]) == ("O", None, None)
    assert (row["SUMMARY"], row["RESTRICTED"]) == ("Collision, corrected", 1)


@pytest.mark.parametrize("force", FORCES)
def test_people_leave_with_their_row_or_without_it(legacy: LegacySystems, force: str):
    mess = Mess(legacy)
    gone, ended = of(legacy.truth(), force, TruthPerson)[:2]
    before = legacy.count(force, "hr")
    mess.take_back(gone)
    mess.leave(ended)
    legacy.finish()
    assert legacy.count(force, "hr") == before - 1


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


def busy_for(folder: Path, seconds: int, **options) -> tuple[dict[str, Truth], dict[tuple[str, str], int]]:
    clock = Clock()
    with legacy_systems(folder, clock) as legacy:
        busy = Busy(legacy, **options)
        for _ in range(seconds * 5):
            clock.forward(0.2)
            busy.step()
        busy.stop()
        counts = {
            (force, domain): legacy.count(force, domain) for force in FORCES for domain in ("incident", "hr")
        }
        return legacy.truth(), counts


def test_a_busy_day_leaves_every_system_holding_what_is_true(tmp_path: Path):
    truth, counts = busy_for(tmp_path, 60, rate=20)
    for force in FORCES:
        assert counts[force, "incident"] == len(of(truth, force, TruthIncident)) > 20
        assert counts[force, "hr"] == len(of(truth, force, TruthPerson))
    states = Counter(record.status for record in truth.values() if isinstance(record, TruthIncident))
    assert states["CLOSED"] > 10
    assert any(record.deleted for record in truth.values())
    assert any(record.restricted for record in truth.values() if isinstance(record, TruthIncident))


def test_systems_that_hold_nothing_yet_are_given_a_past_once(legacy: LegacySystems, clock: Clock):
    give_past(legacy, hours=6, changes=150)
    created = [t.created for t in legacy.truth().values() if isinstance(t, TruthIncident)]
    assert len(created) > 40
    assert clock() - dt.timedelta(hours=6) <= min(created) < max(created) <= clock()
    before = legacy.truth()
    give_past(legacy)
    assert legacy.truth() == before


def test_the_same_seed_makes_the_same_day(tmp_path: Path):
    days = [busy_for(tmp_path / name, 10, rate=10, seed=7) for name in ("one", "two")]
    assert days[0] == days[1]


def test_every_record_id_names_the_row_in_its_system(legacy: LegacySystems):
    ids = [raise_full(legacy, force) for force in FORCES]
    assert [unquote(identity) for identity in ids] == [
        "urn:alliance:incident:leicestershire:command:2026-06-01:1",
        "urn:alliance:incident:northamptonshire:command:01/06/2026:1",
        "urn:alliance:incident:nottinghamshire:command:NG-20260601-0001",
    ]
    assert "urn:alliance:staff:nottinghamshire:1001" in legacy.truth()
