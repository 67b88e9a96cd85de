"""The stand-ins have the mess of real systems, and on their busiest day they hold what is true."""

import datetime as dt
from collections import Counter
from pathlib import Path

import pytest

from connectors.standins.busy import Busy, give_past
from connectors.standins.legacy import LegacySystems
from connectors.standins.mess import Mess
from connectors.standins.truth import Truth, TruthIncident, TruthPerson
from tests.legacy import Clock, legacy_systems, of
from tests.standins_read import FORCES, csv_lines, feed_page, raise_full, sql_rows


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def legacy(tmp_path: Path, clock: Clock):
    with legacy_systems(tmp_path / "legacy", clock) as systems:
        yield systems


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
