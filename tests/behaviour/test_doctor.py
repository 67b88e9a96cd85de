"""`alliance-hub doctor`: a line for each thing that can be wrong, and nothing touched by looking."""

import contextlib
import datetime as dt
import hashlib
import json
import os
import socket
import sqlite3
import subprocess
import sys

import pytest

from connectors.examination import examine_source
from deploy.kafka.broker import free_port
from hub.cli.process import Process, start_all
from hub.config import load_settings
from tests.legacy import builtin_forces
from tests.waiting import wait_until

HUB = [sys.executable, "-c", "from hub.cli.app import main; main()"]
PATIENCE = ("--within", "90")
"""Long enough for a busy machine; only what never answers takes so long."""


@pytest.fixture
def legacy(legacy):
    """With an incident to read."""
    legacy.raise_incident("northamptonshire", legacy.clock(), dt.date(2026, 6, 1), summary="first")
    legacy.finish()
    return legacy


def configured(folder, legacy, more="", **locations):
    """Write a configuration file on the stand-ins; `locations` are other places of forces' incidents."""
    file = folder / "hub.toml"
    places = {
        (force, domain): locations.get(force, where) if domain == "incident" else where
        for force, domains in legacy.locations().items()
        for domain, where in domains.items()
    }
    tables = (
        f'[sources.{force}.{domain}]\nlocation = "{place}"\n' for (force, domain), place in places.items()
    )
    file.write_text(f'state = "{folder / "state"}"\n{more}\n' + "".join(tables))
    return file


class Told:
    """What the doctor said, in a process of its own."""

    def __init__(self, *words, within=PATIENCE):
        done = subprocess.run(
            [*HUB, "doctor", "--json", *within, *map(str, words)],
            check=False,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.stdout, done.stderr
        self.said = json.loads(done.stdout)
        self.code = done.returncode

    def lines(self, about):
        found = [f for f in self.said["findings"] if f["about"] == about]
        assert found, f"a line about {about}: {self.said}"
        return [(f["verdict"], f["said"]) for f in found]

    def verdict(self, about):
        verdicts = [verdict for verdict, _ in self.lines(about)]
        return max(verdicts, key=["ok", "warning", "failed"].index)

    def words(self, about):
        return "\n".join(said for _, said in self.lines(about))


def start_and_stop(config):
    """Have the hub make its bus and store, and be up to date."""
    process = Process(load_settings(config, environ={}, port=0))
    start_all(process)
    try:
        query = process.parts.store
        wait_until(lambda: len(query.fresh()) == 6)
    finally:
        process.stop()


def contents(folder):
    """Every file with its content's hash; the memory that readers of SQLite share is no content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_a_hub_that_is_well_is_told_so_and_looking_changes_nothing(legacy, tmp_path):
    config = configured(tmp_path, legacy)
    start_and_stop(config)
    before = contents(tmp_path)
    told = Told("--config", config)
    assert contents(tmp_path) == before
    for about in ("configuration", "forces", "schemas", "bus", "topics", "store", "certificates", "boundary"):
        assert told.verdict(about) == "ok", told.lines(about)
    assert "columns are there" in told.words("source leicestershire/incident")
    assert "open for reading alone" in told.words("source leicestershire/hr")
    assert "first page came" in told.words("source nottinghamshire/incident")
    assert ("the columns of INC_" in told.words("source northamptonshire/incident")) is True
    assert "are free on the disk" in told.words("disk")
    assert told.lines("tokens")
    assert told.lines("clock")
    assert told.said["verdict"] == {0: "ok", 1: "warning", 2: "failed"}[told.code]
    assert not [f for f in told.said["findings"] if f["verdict"] == "failed" and f["about"] != "disk"]


def test_everything_that_is_wrong_is_named_at_once_with_its_remedy(legacy, tmp_path):
    start_and_stop(configured(tmp_path, legacy))
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "view.db")) as store, store:
        for statement in (
            "update store_version set version = 0",
            "update alembic_version set version_num = '0000'",
        ):
            with contextlib.suppress(sqlite3.OperationalError):
                store.execute(statement)
    database = legacy.locations()["leicestershire"]["incident"].removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        connection.execute("alter table V_INCIDENT rename column GRADE to RESPONSE_GRADE")
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        f'[[tokens]]\nname = "old"\nsha256 = "{"0" * 64}"\n'
        'roles = { "*" = ["operator"] }\nexpires = 2020-01-31\n'
    )
    tokens.chmod(0o666)
    more = (
        f'tokens_file = "{tokens}"\n[topics]\npartitions = 7\n[boundary]\nfile = "{tmp_path}/none.geojson"\n'
        'code_property = "code"\naccuracy_metres = 50\n[sources.rutland.incident]\nlocation = "/nowhere"\n'
    )
    config = configured(
        tmp_path,
        legacy,
        more,
        northamptonshire=tmp_path / "nowhere",
        nottinghamshire=f"http://127.0.0.1:{free_port()}/feed",
    )
    told = Told("--config", config)
    assert told.code == 2
    for about, words in {
        "configuration": "[sources.rutland.incident] is of no feed",
        "topics": "has 6 partitions, declared are 7",
        "store": "revision 0000",
        "source leicestershire/incident": "has no column 'GRADE'",
        "source northamptonshire/incident": "check that it exists and is mounted, or correct `location`",
        "source nottinghamshire/incident": "See that its system is up and reachable from here",
        "boundary": "No such file or directory; correct `file` under [boundary]",
    }.items():
        assert told.verdict(about) == "failed", about
        assert words in told.words(about)
    assert "the sources of 6 of 6 feeds" in told.words("configuration"), "what is of no feed does not count"
    assert told.verdict("tokens") == "warning"
    assert "token 'old' expired on 2020-01-31" in told.words("tokens")
    assert "chmod go-w" in told.words("tokens")
    assert told.verdict("source leicestershire/hr") == "ok", "the others are looked at all the same"


@pytest.fixture
def silent():
    """The port of a server that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


def test_what_never_answers_is_given_up_and_holds_up_nothing_else(legacy, silent, tmp_path):
    config = configured(
        tmp_path,
        legacy,
        leicestershire=f"postgresql://reader@127.0.0.1:{silent}/command",
        nottinghamshire=f"http://127.0.0.1:{silent}/feed",
    )
    places = (
        "--bus",
        f"kafka://127.0.0.1:{silent}",
        "--store",
        f"postgresql://hub@127.0.0.1:{silent}/alliance",
    )
    told = Told("--config", config, *places, within=("--within", "6"))
    assert told.code == 2
    for about in (
        "bus",
        "topics",
        "store",
        "source leicestershire/incident",
        "source nottinghamshire/incident",
    ):
        assert told.verdict(about) == "failed", about
        assert "did not answer within 6 s" in told.words(about)
    assert "are up and reachable" in told.words("bus")
    assert "`location`" in told.words("source nottinghamshire/incident")
    assert told.lines("disk")
    assert told.lines("source leicestershire/hr")


def test_a_broker_that_is_not_there_is_told_with_its_reason(tmp_path):
    told = Told("--state", tmp_path, "--bus", f"kafka://127.0.0.1:{free_port()}")
    assert "Connection refused" in told.words("bus")
    assert told.lines("topics") == [("failed", "not looked at, since the bus does not answer; see its line.")]


def test_a_hub_that_was_never_started_is_a_warning_and_nothing_is_made(tmp_path):
    told = Told("--state", tmp_path / "state")
    assert {told.verdict(about) for about in ("bus", "topics", "store")} == {"warning"}
    assert told.code in {1, 2}, "2 where the disk of this machine is nearly full"
    assert not (tmp_path / "state").exists()


def test_settings_that_cannot_be_read_are_all_there_is_to_say(tmp_path):
    config = tmp_path / "hub.toml"
    config.write_text('prot = 80\nhots = "here"\n')
    told = Told("--config", config)
    assert told.code == 2
    assert [f["about"] for f in told.said["findings"]] == ["configuration", "configuration"]
    assert "Did you mean 'port'?" in told.words("configuration")


@pytest.mark.postgres
def test_whether_a_database_lets_the_hub_write_is_told_of_its_rights(legacy, tmp_path, postgres_server):
    import psycopg

    database = postgres_server.create()
    with psycopg.connect(postgres_server.url(database), autocommit=True) as connection:
        columns = ", ".join(f'"{name}" text' for name in columns_of_incidents(legacy))
        connection.execute(f'create table "V_INCIDENT" ({columns})')
        reader = f"reader_{database}"
        connection.execute(f"create role {reader} login")
        connection.execute(f'grant select on "V_INCIDENT" to {reader}')
    owner = postgres_server.url(database)
    store = postgres_server.url(postgres_server.create())
    config = configured(tmp_path, legacy, leicestershire=owner)
    told = Told("--config", config, "--store", store)
    assert told.verdict("source leicestershire/incident") == "warning"
    assert "grant it SELECT alone" in told.words("source leicestershire/incident")
    assert "clock of leicestershire/incident's database is" in told.words("clock")
    assert told.verdict("store") == "warning", "it is there and empty"
    config = configured(tmp_path, legacy, leicestershire=owner.replace("hub@", f"{reader}@"))
    told = Told("--config", config, "--store", store)
    assert told.verdict("source leicestershire/incident") == "ok", told.lines(
        "source leicestershire/incident"
    )
    assert "its user may not write" in told.words("source leicestershire/incident")


def columns_of_incidents(legacy):
    database = legacy.locations()["leicestershire"]["incident"].removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [row[1] for row in connection.execute("pragma table_info(V_INCIDENT)")]


@pytest.mark.kafka
def test_a_broker_that_answers_is_told_so(kafka_address, tmp_path):
    told = Told("--state", tmp_path, "--bus", f"kafka://{kafka_address}")
    assert told.lines("bus") == [("ok", f"kafka://{kafka_address} answers")]


def test_a_folder_that_this_user_may_write_in_is_a_warning(legacy, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    feed = builtin_forces()["northamptonshire"].feeds["incident"]
    found = list(examine_source(feed, legacy.locations()["northamptonshire"]["incident"], None))
    assert [finding.verdict for finding in found] == ["ok", "warning"]
    assert "have it mounted read-only" in found[1].said
