"""A store goes from one release to the next and back, in use, and nothing of it is lost."""

import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from typer.testing import CliRunner

from hub.cli.app import app
from hub.errors import ConfigurationError, TransientError
from hub.view import making, migrating
from hub.view.making import locked
from hub.view.migrating import downgrade, make_at, store_status, upgrade
from hub.view.migrations import FOLDER, HEAD, OWN, Revisions
from hub.view.query import Query
from hub.view.store import open_database, open_store
from tests.stores import keys, put_records
from tests.view_records import JsonCodec, incident

NEXT = "0003"
LATER = Revisions((FOLDER / "versions", Path(__file__).parent / "later"), NEXT)
BEFORE_SECONDS = 60


@contextmanager
def database(url):
    opened = open_database(url)
    yield opened.engine
    opened.close()


def tables(engine):
    """Every table with its columns, keys and indexes, as the database tells them."""
    with engine.connect() as connection:
        found = inspect(connection)
        return {
            name: (
                [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in found.get_columns(name)],
                found.get_pk_constraint(name)["constrained_columns"],
                sorted((i["name"], tuple(i["column_names"])) for i in found.get_indexes(name)),
                found.get_table_options(name),
            )
            for name in found.get_table_names()
        }


def execute(url, *statements):
    with database(url) as engine, engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def of_the_first_release(url):
    """Make a store as the first release left one: with that release's mark alone."""
    with database(url) as engine:
        with locked(engine) as connection:
            make_at(connection, "0001")
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE alembic_version"))


def test_a_new_store_has_the_same_tables_as_one_made_by_all_migrations(store_url):
    with database(store_url) as engine:
        with locked(engine) as connection:
            make_at(connection, HEAD)
        migrated = tables(engine)
        with engine.begin() as connection:
            for name in migrated:
                connection.execute(text(f"DROP TABLE {name}"))
    open_store(store_url).close()
    with database(store_url) as engine:
        assert tables(engine) == migrated
        with engine.connect() as connection:
            marks = connection.execute(
                text("SELECT version_num, version FROM alembic_version, store_version")
            )
            assert marks.fetchall() == [(HEAD, int(HEAD))]


def test_the_newest_script_is_the_one_that_this_release_needs():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_store_of_the_first_release_is_recognised_and_nothing_of_it_is_lost(store_url):
    of_the_first_release(store_url)
    assert store_status(store_url)[1:3] == ("0001", HEAD)
    with pytest.raises(ConfigurationError, match="earlier release"):
        open_store(store_url)
    upgrade(store_url)
    store = open_store(store_url)
    put_records(store, "incident", incident("1"), incident("2"))
    store.close()
    execute(store_url, "DROP TABLE alembic_version")
    store = open_store(store_url)
    query = Query(store, JsonCodec())
    assert keys(query.list_records("incident")) == ["2", "1"]
    assert len(query.history("incident", incident("1")["id"])) == 1
    store.close()
    assert upgrade(store_url) == (HEAD, HEAD)
    execute(store_url, f"UPDATE alembic_version SET version_num = '{HEAD}'")  # it has the mark now


def test_a_store_of_an_earlier_release_names_the_command_that_brings_it_here(store_url, monkeypatch):
    open_store(store_url).close()
    monkeypatch.setattr(making.make_tables, "__defaults__", (LATER,))
    with pytest.raises(ConfigurationError, match="run `alliance-hub store upgrade`"):
        open_store(store_url)
    assert "store upgrade" in str(store_status(store_url, revisions=LATER).problem)
    assert upgrade(store_url, revisions=LATER) == (HEAD, NEXT)
    assert store_status(store_url, revisions=LATER).problem is None


def test_a_store_of_a_later_release_names_the_command_that_brings_it_back(store_url):
    open_store(store_url).close()
    upgrade(store_url, revisions=LATER)
    with pytest.raises(ConfigurationError, match=f"run `alliance-hub store downgrade --to {HEAD}`"):
        open_store(store_url)
    with pytest.raises(ConfigurationError, match="later release"):
        upgrade(store_url)
    with database(store_url) as engine, engine.connect() as connection:  # what the first release looks at
        assert connection.execute(text("SELECT version FROM store_version")).scalar() == int(NEXT)
    assert downgrade(store_url, revisions=LATER) == (NEXT, HEAD)
    open_store(store_url).close()


def test_there_is_no_way_back_from_the_first_release(store_url):
    of_the_first_release(store_url)
    for revision in (None, "0000", HEAD):
        with pytest.raises(ConfigurationError, match="knows the way back to none"):
            downgrade(store_url, to=revision)


@pytest.mark.parametrize("to", ["1", "00005", "0001a", NEXT])
def test_the_way_back_is_to_a_revision_that_there_was(store_url, to):
    open_store(store_url).close()
    with pytest.raises(ConfigurationError, match=f"cannot be brought back to {to}: .* back to 0001. Name"):
        downgrade(store_url, to=to)
    assert store_status(store_url).found == HEAD


def test_every_revision_of_this_release_leads_to_the_one_before_and_to_the_next(store_url):
    of_the_first_release(store_url)
    upgrade(store_url)
    store = open_store(store_url)
    put_records(store, "incident", incident("1"))
    store.close()
    assert downgrade(store_url, to="0001") == (HEAD, "0001")
    assert upgrade(store_url) == ("0001", HEAD)
    store = open_store(store_url)
    put_records(store, "incident", incident("2"))
    assert keys(Query(store, JsonCodec()).list_records("incident")) == ["2", "1"]
    store.close()


def test_a_migration_that_fails_leaves_the_store_as_it_was(store_url, tmp_path):
    store = open_store(store_url)
    put_records(store, "incident", incident("1"))
    store.close()
    script = (Path(__file__).parent / "later" / "0003_a_later_release.py").read_text("utf-8")
    (tmp_path / "0003_wrong.py").write_text(script.replace('"notes", ', '"staff", '), "utf-8")
    with pytest.raises(Exception, match="staff"):
        upgrade(store_url, revisions=Revisions((*OWN.folders, tmp_path), NEXT))
    store = open_store(store_url)
    assert keys(Query(store, JsonCodec()).list_records("incident")) == ["1"]
    store.close()


class Load:
    """A view that writes and a reader that asks, until told to stop, trying again what passes."""

    def __init__(self, url):
        self.store = open_store(url)
        self.query = Query(self.store, JsonCodec())
        self.written = self.asked = 0
        self.errors = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(f,)) for f in (self._write, self._ask)]
        for thread in self._threads:
            thread.start()

    def _write(self):
        number = self.written + 1
        put_records(self.store, "incident", incident(str(number)), incident("changing", number))
        self.written = number

    def _ask(self):
        seen = self.written
        counts = self.query.counts()["incident"].get("leicestershire", {"visible": 0, "applied": 0})
        assert counts["visible"] >= min(seen, 1) * (seen + 1)
        assert len(keys(self.query.list_records("incident", limit=5))) >= min(5, counts["visible"])
        self.asked += 1

    def _repeat(self, act):
        while not self._stop.is_set():
            try:
                act()
            except TransientError:
                continue
            except Exception as error:  # noqa: BLE001 it is told where the test ends
                self.errors.append(error)
                return

    def go_on(self):
        """Wait until something more was written and asked."""
        written, asked, deadline = self.written, self.asked, time.monotonic() + BEFORE_SECONDS
        while self.written < written + 3 or self.asked < asked + 3:
            assert not self.errors, self.errors
            assert time.monotonic() < deadline
            self._stop.wait(0.01)

    def end(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(BEFORE_SECONDS)
        self.store.close()
        assert not self.errors, self.errors


def test_it_goes_forward_and_back_while_a_view_writes_and_a_reader_asks(store_url):
    load = Load(store_url)
    try:
        for _ in range(3):
            load.go_on()
            upgrade(store_url, revisions=LATER)
            load.go_on()  # the release before goes on in the tables of the later one
            downgrade(store_url, revisions=LATER)
        load.go_on()
    finally:
        load.end()
    store = open_store(store_url)
    query = Query(store, JsonCodec())
    written = load.written
    counts = query.counts()["incident"]["leicestershire"]
    assert (counts["visible"], counts["applied"]) == (written + 1, 2 * written)
    versions = [v.source_version for v in query.history("incident", incident("changing")["id"])]
    assert versions == list(range(written, 0, -1))
    numbers = [change.number for change in query.changes_after(0, 10 * written)]
    assert numbers == sorted(set(numbers))
    store.close()


def test_the_commands_say_where_the_store_stands(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(app, ["store", *arguments, "--state", str(tmp_path / "state")])

    assert "none yet" in run("status").output
    assert not (tmp_path / "state").exists()
    assert run("upgrade").output == f"revision none → {HEAD}\n"
    assert f"revision {HEAD}" in run("status").output
    assert run("downgrade").output == f"revision {HEAD} → 0001\n"
    assert run("downgrade").exit_code == 2
    assert run("upgrade").output == f"revision 0001 → {HEAD}\n"
    url = f"sqlite:///{tmp_path / 'state' / 'view.db'}"
    migrating.upgrade(url, revisions=LATER)
    told = run("status")
    assert told.exit_code == 2
    assert "store downgrade" in told.output
