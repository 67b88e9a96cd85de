"""Backups taken while the hub runs, and the drill: what is left brings back all that was lost."""

import json
import shutil
import sqlite3
import time
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from connectors.standins.busy import Busy
from connectors.standins.legacy import LegacySystems
from hub.backup import taking
from hub.backup.restoring import LEAP, put_back
from hub.backup.taking import take
from hub.bus import open_bus
from hub.cli.accounts import take_accounts
from hub.cli.app import app
from hub.errors import ConfigurationError, FatalError
from hub.view.query import Query
from hub.view.store import open_store, store_database
from tests.comparison import assert_view_is_true
from tests.kafka_broker import own_broker
from tests.legacy import builtin_forces
from tests.stores import keys, put_records
from tests.trial import hub_on
from tests.view_records import JsonCodec, incident
from tests.waiting import wait_until


@pytest.fixture
def legacy(tmp_path):
    systems = LegacySystems(
        tmp_path / "legacy", builtin_forces(), staff_scale=0.01, drop_seconds=0.1, extract_seconds=0.5
    )
    change(systems, 150, seed=1)
    yield systems
    systems.close()


@pytest.fixture(
    params=[
        "embedded and SQLite",
        pytest.param("embedded and PostgreSQL", marks=[pytest.mark.long, pytest.mark.postgres]),
        pytest.param(
            "Kafka and PostgreSQL", marks=[pytest.mark.long, pytest.mark.kafka, pytest.mark.postgres]
        ),
    ]
)
def where(request):
    """The bus and the store as settings; what names neither is in the state folder."""
    if request.param == "embedded and SQLite":
        yield {}
        return
    store = {"store": request.getfixturevalue("postgres_url")}
    if request.param == "embedded and PostgreSQL":
        yield store
        return
    broker = own_broker()
    yield store | {"bus": f"kafka://{broker.address}"}
    broker.stop()


def change(legacy, count, seed):
    busy = Busy(legacy, seed=seed)
    for _ in range(count):
        busy.change()


def run(command, *arguments, state, **where):
    places = [part for name, value in where.items() for part in (f"--{name}", value)]
    return CliRunner().invoke(app, [command, *map(str, arguments), "--state", str(state), *places])


def lose(state, where):
    """Lose the store, and the embedded bus: all that the hub keeps itself."""
    if state.exists():
        shutil.rmtree(state)
    lose_store(state, where)


def lose_store(state, where):
    for file in state.glob("view.db*"):
        file.unlink()
    if "store" in where:
        with store_database(where["store"], None) as database, database.engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))


def assert_nothing_lost_or_doubled(hub):
    """All that is true is shown, and each row is accounted for once, from its system to the API."""
    hub.catch_up()
    assert_view_is_true(hub.query, hub.legacy)
    parts, process = hub.process.parts, hub.process

    def faults():
        accounts = take_accounts(parts, parts.feeds(), hub.legacy.count, process.address)
        return [fault for account in accounts for fault in account.faults()]

    wait_until(lambda: not faults(), lambda: f"every row is accounted for: {faults()}")


@contextmanager
def timed(record_property, what):
    began = time.monotonic()
    yield
    record_property(what, f"{time.monotonic() - began:.2f} s")


def test_the_drill_everything_gone_but_the_backup(legacy, tmp_path, where, record_property):
    state, kept = tmp_path / "state", tmp_path / "kept"
    with hub_on(legacy, state, **where) as hub:
        hub.catch_up()
        busy = Busy(legacy, rate=100, seed=2)
        busy.start()
        wait_until(lambda: busy.changes > 30, lambda: "the systems are busy")
        with timed(record_property, "backup, while running"):
            done = run("backup", kept, state=state, **where)
        assert done.exit_code == 0, done.output
        wait_until(lambda: busy.changes > 60, lambda: "the systems were busy after it too")
        busy.stop()
        hub.catch_up()
        last = hub.query.last_change()
    change(legacy, 30, seed=3)
    lose(state, where)
    with timed(record_property, "restore"):
        done = run("restore", kept, state=state, **where)
    assert done.exit_code == 0, done.output
    with timed(record_property, "start and catch up"), hub_on(legacy, state, **where) as hub:
        assert_nothing_lost_or_doubled(hub)
        # A caller of the live stream that goes on from before the loss is told what was applied anew.
        assert hub.query.changes_after(last, 1000)


def test_the_drill_everything_gone_but_the_topics(legacy, tmp_path, where, record_property):
    state = tmp_path / "state"
    with hub_on(legacy, state, **where) as hub:
        hub.catch_up()
    lose_store(state, where)
    with timed(record_property, "store rebuilt from the topics"), hub_on(legacy, state, **where) as hub:
        assert_nothing_lost_or_doubled(hub)


class Place:
    """A store and an embedded bus with something in them, and a folder for backups."""

    def __init__(self, folder, store_url):
        self.bus_url, self.store_url = f"embedded://{folder / 'bus.db'}", store_url
        self.kept, self.folder = folder / "kept", folder
        open_bus(self.bus_url).close()
        self.put("1")

    def put(self, key):
        with closing(open_store(self.store_url)) as store:
            put_records(store, "incident", incident(key))

    def shown(self):
        with closing(open_store(self.store_url)) as store:
            return keys(Query(store, JsonCodec()).list_records("incident"))

    @property
    def urls(self):
        return {"bus_url": self.bus_url, "store_url": self.store_url}

    def end_bus_at(self, offset):
        """Have the topic end there, as if so much had been written."""
        with closing(sqlite3.connect(self.folder / "bus.db")) as bus, bus:
            bus.execute("DELETE FROM partitions")
            bus.execute("INSERT INTO partitions VALUES (1, 'alliance.incident.v1', 0, ?, 0, 0)", (offset,))


@pytest.fixture
def place(store_url, tmp_path):
    made = Place(tmp_path, store_url)
    made.end_bus_at(5)
    return made


def test_what_is_there_is_not_overwritten_unless_told(place):
    take(place.kept, **place.urls)
    place.put("2")
    with pytest.raises(ConfigurationError, match="--overwrite"):
        put_back(place.kept, **place.urls)
    assert place.shown() == ["2", "1"]
    put_back(place.kept, **place.urls, overwrite=True)
    assert place.shown() == ["1"]
    with closing(open_store(place.store_url)) as store:
        assert Query(store, JsonCodec()).last_change() == LEAP + 1


def test_a_backup_never_takes_the_place_of_another(place):
    take(place.kept, **place.urls)
    with pytest.raises(ConfigurationError, match="is there already"):
        take(place.kept, **place.urls)


def test_a_damaged_backup_is_refused_and_nothing_is_touched(place):
    take(place.kept, **place.urls)
    place.put("2")
    said = json.loads((place.kept / "manifest.json").read_text("utf-8"))["store"]
    file = place.kept / (said["piece"] or said["tables"]["incidents"]["piece"])["name"]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(FatalError, match=f"damaged: {file.name}"):
        put_back(place.kept, **place.urls, overwrite=True)
    assert place.shown() == ["2", "1"]


def test_a_backup_that_was_broken_off_is_none(place):
    take(place.kept, **place.urls)
    (place.kept / "manifest.json").unlink()
    with pytest.raises(ConfigurationError, match="never finished"):
        put_back(place.kept, **place.urls, overwrite=True)


def test_a_store_that_has_read_beyond_the_bus_is_not_backed_up(place):
    place.end_bus_at(0)
    with pytest.raises(FatalError, match=r"beyond the end of alliance\.incident\.v1-0"):
        take(place.kept, **place.urls)
    assert not list(place.folder.glob("kept*")), "and nothing is left in the way of the next one"


def test_what_comes_between_the_two_copies_is_read_again_and_nothing_kept_is_beyond_the_bus(
    place, monkeypatch
):
    """The store is copied first, whatever happens before the bus is."""
    place.end_bus_at(1)

    def goes_on_after(copy):
        def copied(*where):
            made = copy(*where)
            count = len(place.shown()) + 1
            place.put(str(count))
            place.end_bus_at(count)
            return made

        return copied

    for name in ("_store", "_bus"):
        monkeypatch.setattr(taking, name, goes_on_after(getattr(taking, name)))
    made = take(place.kept, **place.urls)
    assert made.store.offsets == {"alliance.incident.v1-0": 1}
    assert made.bus.ends == {"alliance.incident.v1-0": 2}


def test_a_bus_in_use_is_not_replaced(place):
    take(place.kept, **place.urls)
    with closing(open_bus(place.bus_url)), pytest.raises(ConfigurationError, match="in use"):
        put_back(place.kept, **place.urls, overwrite=True)


def test_a_backup_of_another_kind_is_refused(place, tmp_path):
    take(place.kept, **place.urls)
    other = (
        "postgresql://hub@127.0.0.1:1/hub" if "sqlite" in place.store_url else f"sqlite:///{tmp_path}/x.db"
    )
    with pytest.raises(ConfigurationError, match="name one of its kind"):
        put_back(place.kept, bus_url=place.bus_url, store_url=other)


def test_a_log_that_was_left_beside_a_lost_file_is_not_taken_for_the_new_ones_own(place, tmp_path):
    take(place.kept, **place.urls)
    bus = tmp_path / "bus.db"
    bus.unlink()
    left = bus.with_name("bus.db-wal")
    left.write_bytes(b"left of another file")
    with pytest.raises(ConfigurationError, match="--overwrite"):
        put_back(place.kept, **place.urls)
    put_back(place.kept, **place.urls, overwrite=True)
    assert not left.exists()
    with closing(sqlite3.connect(bus)) as restored:
        assert restored.execute("SELECT next_offset FROM partitions").fetchall() == [(5,)]
