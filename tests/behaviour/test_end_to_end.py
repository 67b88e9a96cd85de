"""What is true in the legacy systems is what the view shows, record by record and field by field."""

import datetime as dt
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from connectors.standins.busy import Busy
from connectors.standins.legacy import LegacySystems
from connectors.standins.mess import Mess
from connectors.standins.truth import TruthIncident, TruthPerson
from hub.forces import load_forces
from tests.comparison import assert_view_is_true
from tests.guarded.broker import WAYS, guarded_in
from tests.kafka_broker import own_broker
from tests.legacy import builtin_forces, of
from tests.trial import Hub, hub_on
from tests.waiting import wait_until

FORCES = ("leicestershire", "northamptonshire", "nottinghamshire")


def assert_true(hub: Hub) -> None:
    assert_view_is_true(hub.query, hub.legacy)


def make_mess(legacy: LegacySystems) -> None:
    """Everything that has a name, in every force that can."""
    mess = Mess(legacy)
    for force in FORCES:
        mess.across_midnight(force, dt.date(2026, 3, 31))
        mess.october_night(force, 2025)
        mess.late_commit(force, minutes=20)
        ids = of(legacy.truth(), force, TruthIncident)
        closed = [i for i in ids if getattr(legacy.truth()[i], "status", "") == "CLOSED"]
        mess.correct(ids[0], "Corrected; “quoted”, £5")
        mess.reopen(closed[0])
        mess.restrict(ids[1])
        mess.there_and_back(ids[2])
        mess.take_back(ids[3])
        mess.take_back(ids[4])
        legacy.finish()
        mess.put_again(ids[4])
        mess.duplicate(ids[5])
        people = of(legacy.truth(), force, TruthPerson)
        mess.leave(people[0])
        mess.take_back(people[1])
        mess.there_and_back(people[2])


@pytest.fixture
def legacy(tmp_path: Path):
    systems = LegacySystems(
        tmp_path / "legacy", builtin_forces(), staff_scale=0.03, drop_seconds=0.1, extract_seconds=0.5
    )
    busy = Busy(systems, rate=100)
    for _ in range(400):
        busy.change()
    yield systems
    systems.close()


@pytest.fixture(
    params=[
        "embedded and SQLite",
        pytest.param("Kafka and PostgreSQL", marks=[pytest.mark.kafka, pytest.mark.postgres]),
        *(pytest.param(way, marks=[pytest.mark.kafka, pytest.mark.long]) for way in WAYS),
    ]
)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The bus and the store, as settings; the broker is this test's own, for its topics have fixed names."""
    if request.param == "embedded and SQLite":
        yield {}
        return
    if request.param in WAYS:
        with guarded_in(tmp_path) as guarded:
            yield {"bus": guarded.url(request.param)}
        return
    broker = own_broker()
    yield {"bus": f"kafka://{broker.address}", "store": request.getfixturevalue("postgres_url")}
    broker.stop()


def test_the_view_shows_what_is_true_through_a_busy_time_with_every_mess(
    legacy: LegacySystems, tmp_path: Path, where: dict[str, str]
):
    busy = Busy(legacy, rate=60, seed=2)
    with hub_on(legacy, tmp_path / "state", **where) as hub:
        hub.catch_up()
        assert_true(hub)
        make_mess(legacy)
        busy.start()
        wait_until(lambda: busy.changes > 200, lambda: "200 changes were made")
        busy.stop()
        hub.catch_up()
        assert_true(hub)


def test_a_second_start_goes_on_where_the_first_stopped(legacy: LegacySystems, tmp_path: Path):
    with hub_on(legacy, tmp_path / "state") as hub:
        hub.catch_up()
        applied = _applied(hub)
    busy = Busy(legacy, seed=3)
    for _ in range(50):
        busy.change()
    with hub_on(legacy, tmp_path / "state") as hub:
        hub.catch_up()
        assert_true(hub)
        assert 0 < _applied(hub) - applied < 150


def test_a_hard_delete_is_found_by_the_sweep(tmp_path: Path):
    folder = tmp_path / "leicestershire"
    shutil.copytree(builtin_forces()["leicestershire"].folder, folder)
    feed = folder / "incident.toml"
    feed.write_text(re.sub(r"sweep_seconds = \d+", "sweep_seconds = 1", feed.read_text("utf-8")), "utf-8")
    legacy = LegacySystems(tmp_path / "legacy", load_forces([folder]), staff_scale=0.01)
    ids = [legacy.raise_incident("leicestershire", legacy.clock(), dt.date(2026, 6, 1)) for _ in range(30)]
    with closing(legacy), hub_on(legacy, tmp_path / "state", forces=(folder,), builtin_forces=False) as hub:
        hub.catch_up()
        Mess(legacy).delete_hard(ids[0])

        def gone() -> bool:
            record = hub.record("incident", ids[0])
            return record is not None and record["deleted"]

        wait_until(gone, lambda: f"{ids[0]} is deleted")
        assert_true(hub)


def _applied(hub: Hub) -> int:
    return sum(n["applied"] for of_domain in hub.query.counts().values() for n in of_domain.values())
