"""A second reading of each source names what the view does not show as it should, and nothing else."""

import itertools
import json
import shutil
import time
from urllib.parse import unquote

import pytest
from typer.testing import CliRunner

from hub.cli.app import app
from hub.view.store import open_store
from tests.faults.running import Running
from tests.reconciling import LINCOLNSHIRE, scene
from tests.soak.running import write_settings
from tests.waiting import wait_until

FEEDS = [
    ("leicestershire", "incident"),
    ("leicestershire", "hr"),
    ("northamptonshire", "incident"),
    ("northamptonshire", "hr"),
    ("nottinghamshire", "incident"),
    ("lincolnshire", "incident"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    with scene(tmp_path_factory.mktemp("scene")) as found:
        yield found


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path / 'view.db'}")
    yield opened
    opened.close()


@pytest.fixture
def view(told, store):
    return told.show(store)


def named(result):
    """The kind of each record of which something is told, by key."""
    return {key: look.kind for key, look in result.looks.items()}


@pytest.mark.parametrize(("force", "domain"), FEEDS)
def test_what_differs_is_named_by_kind_for_every_kind_of_source(told, store, view, force, domain):
    assert_named_by_kind(told, store, view, force, domain)


@pytest.mark.postgres
def test_what_differs_is_named_by_kind_on_postgresql_too(told, postgres_schema_url):
    store = open_store(postgres_schema_url)
    assert_named_by_kind(told, store, told.show(store), "nottinghamshire", "incident")
    store.close()


def assert_named_by_kind(told, store, view, force, domain):
    feed = told.feed(force, domain)
    lost, altered, first, second, *_ = told.live(force, domain)
    field = "summary" if domain == "incident" else "posting"

    same = told.compare(store, feed)
    assert (named(same), same.differences, same.behind) == ({}, 0, False)
    assert same.total("source") == same.total("view") == len(told.live(force, domain))

    view.lose(domain, lost)
    view.alter(domain, altered, **{field: "something else"})
    view.alter(domain, first, mapping_version=0)
    view.alter(domain, second, deleted=True)
    view.add(domain, altered, "999999")
    result = told.compare(store, feed)

    assert named(result) == {
        lost["source_key"]: "missing",
        altered["source_key"]: "differing",
        first["source_key"]: "old",
        second["source_key"]: "missing",
        "999999": "extra",
    }
    assert list(result.looks[altered["source_key"]].fields) == [field]
    assert result.looks[second["source_key"]].reason == "deleted in the view"
    assert (result.differences, result.behind) == (5, False)
    assert result.total("view") == result.total("source") - 1


def test_what_the_source_has_deleted_and_the_view_shows_is_extra(told, store, view):
    for force in ("leicestershire", "northamptonshire", "nottinghamshire"):
        gone = told.gone(force)
        view.alter("incident", gone, deleted=False)

        result = told.compare(store, told.feed(force), whole=False)

        look = result.looks[gone["source_key"]]
        assert (look.kind, look.reason) == ("extra", "deleted in the source"), force


def test_a_version_that_the_source_has_passed_is_old(told, store, view):
    record = told.live("nottinghamshire")[0]
    view.alter("incident", record, source_version=record["source_version"] - 1, summary="as it was")
    result = told.compare(store, told.feed("nottinghamshire"))
    assert named(result) == {record["source_key"]: "old"}
    assert f"the source is at {record['source_version']}" in result.looks[record["source_key"]].reason


def test_what_a_log_no_longer_holds_is_no_difference_unless_it_is_said_to_hold_all(told, store, view):
    view.add("incident", told.live("northamptonshire")[0], "999999")
    feed = told.feed("northamptonshire")
    lenient, strict = told.compare(store, feed, whole=False), told.compare(store, feed, whole=True)
    assert (named(lenient), lenient.differences) == ({"999999": "no_longer_held"}, 0)
    assert (named(strict), strict.differences) == ({"999999": "extra"}, 1)


def test_what_became_a_dead_letter_is_named_as_such_and_not_as_missing(told, store, view, tmp_path):
    drops = shutil.copytree(told.legacy.incidents["northamptonshire"].location, tmp_path / "drops")
    header = next(drops.glob("INC_*.csv")).read_bytes().partition(b"\r\n")[0]
    (drops / "INC_29991231_999999.csv.done").touch()
    short = b"77,01/06/2026,N,too,few"
    (drops / "INC_29991231_999999.csv").write_bytes(b"\r\n".join([header, short, b""]))

    result = told.compare(store, told.feed("northamptonshire"), location=str(drops))

    assert (result.kinds["dead_lettered"], result.kinds["missing"], result.differences) == (1, 0, 0)


def test_a_removal_of_what_a_log_never_told_of_says_what_must_not_be_shown(told, store, view, tmp_path):
    drops = shutil.copytree(told.legacy.incidents["northamptonshire"].location, tmp_path / "drops")
    record = told.live("northamptonshire")[0]
    last = max(drops.glob("INC_*.csv"))
    header = last.read_bytes().partition(b"\r\n")[0]
    for file in drops.iterdir():
        file.unlink()
    date, number = (unquote(part) for part in record["source_key"].split(":"))
    line = dict.fromkeys(header.decode().split(","), "") | {"Log No": number, "Log Date": date, "Action": "X"}
    last.with_name(f"{last.name}.done").touch()
    last.write_bytes(b"\r\n".join([header, ",".join(line.values()).encode(), b""]))

    result = told.compare(store, told.feed("northamptonshire"), location=str(drops), whole=False)

    assert result.looks[record["source_key"]].reason == "deleted in the source"
    assert (result.kinds["extra"], result.differences) == (1, 1)


def test_what_the_view_shows_a_moment_later_is_no_difference(told, store, monkeypatch):
    """The record arrives while the comparison waits for a view that is behind."""
    view = told.show(store, complete_to=1)
    record = told.live("nottinghamshire")[0]
    view.lose("incident", record)
    arrived: list[object] = []

    def arrive(_seconds):
        if not arrived:
            arrived.append(record)
            view.put("incident", record)

    monkeypatch.setattr("connectors.reconciliation.time.sleep", arrive)
    result = told.compare(store, told.feed("nottinghamshire"))
    assert arrived
    assert (named(result), result.differences, result.behind) == ({}, 0, False)


def test_a_view_that_is_behind_is_said_to_be_so(told, store):
    view = told.show(store, complete_to=1)
    record = told.live("nottinghamshire")[0]
    view.lose("incident", record)
    result = told.compare(store, told.feed("nottinghamshire"), patience=0)
    assert (named(result), result.behind) == ({record["source_key"]: "missing"}, True)


@pytest.fixture
def command(told, tmp_path):
    """Runs `alliance-hub reconcile` on the systems of the scene and a store in this test's folder."""
    file = write_settings(tmp_path / "hub.toml", told.legacy)
    settings = file.read_text("utf-8")
    file.write_text(f'forces = ["{LINCOLNSHIRE}"]\n{settings}', "utf-8")

    def run(*words):
        return CliRunner().invoke(app, [*words, "--config", str(file), "--state", str(tmp_path)])

    return run


@pytest.fixture
def running(told, tmp_path):
    """Starts `alliance-hub reconcile WORDS` as a process; a force's incidents may be said to be elsewhere."""
    started = []

    def run(*words, **elsewhere):
        file = write_settings(tmp_path / "hub.toml", told.legacy)
        settings = file.read_text("utf-8")
        for force, location in elsewhere.items():
            settings = settings.replace(told.legacy.locations()[force]["incident"], location)
        file.write_text(f'forces = ["{LINCOLNSHIRE}"]\nstate = "{tmp_path}"\n{settings}', "utf-8")
        started.append(Running(file, tmp_path / "reconcile.log", "reconcile", *words))
        return started[-1]

    yield run
    for process in started:
        process.end()


def test_the_command_ends_well_where_all_is_the_same(told, view, command):
    done = command("reconcile", "nottinghamshire")
    assert done.exit_code == 0, done.output
    people = len(told.live("nottinghamshire", "hr"))
    assert f"nottinghamshire/hr: source {people}, view {people}: " in done.output


def test_the_command_names_keys_and_fields_and_values_only_when_asked(told, view, command, tmp_path):
    record = told.live("nottinghamshire")[0]
    view.alter("incident", record, summary="planted words")
    assert command("topics", "apply").exit_code == 0  # the audit log is on the bus

    keys = command("reconcile", "nottinghamshire", "incident")
    fields = command("reconcile", "nottinghamshire", "incident", "--fields")
    values = command("reconcile", "nottinghamshire", "incident", "--show-values", "--reason", "a test")
    as_json = command("reconcile", "nottinghamshire", "incident", "--json")

    assert {done.exit_code for done in (keys, fields, values, as_json)} == {1}
    assert f"differing: {record['source_key']}" in keys.output
    assert "summary" not in keys.output
    assert "summary" in fields.output
    assert "planted words" not in keys.output + fields.output + as_json.output
    assert "planted words" in values.output
    (told_of,) = json.loads(as_json.stdout)[0]["records"]
    assert (told_of["kind"], told_of["fields"]) == ("differing", ["summary"])


def test_again_and_again_it_tells_what_differs_until_nothing_does(told, view, tmp_path, running):
    record = told.live("nottinghamshire")[0]
    view.alter("incident", record, summary="not what the source says")
    process = running("nottinghamshire", "incident", "--every", "0.1s")
    feed = {"force": "nottinghamshire", "domain": "incident"}

    def differing():
        return process.metric("alliance_hub_reconcile_differences", kind="differing", **feed)

    wait_until(lambda: differing() == 1, lambda: f"a difference is told of: {process.text}")
    process.wait_until_ready()
    view.alter("incident", record)
    wait_until(lambda: differing() == 0, lambda: f"no difference is told of: {process.text}")
    assert 0 < process.metric("alliance_hub_reconcile_timestamp_seconds", **feed) <= time.time()
    assert process.stop() == 0, process.text


def test_a_source_that_cannot_be_read_is_tried_again_and_holds_up_no_other(told, view, tmp_path, running):
    (tmp_path / "drops").mkdir()
    drops = tmp_path / "drops"
    process = running("--every", "0.1s", "--patience", "0", leicestershire=f"sqlite:///{drops}/none.db")
    feed = {"force": "nottinghamshire", "domain": "hr"}

    def ended():
        return process.metric("alliance_hub_reconcile_timestamp_seconds", **feed)

    wait_until(ended, lambda: f"another feed is compared: {process.text}")
    wait_until(lambda: process.text.count("reconciliation failed") > 2, lambda: f"again: {process.text}")
    unread = {"force": "leicestershire", "domain": "incident"}
    assert process.metric("alliance_hub_reconcile_timestamp_seconds", **unread) == 0
    process.wait_until_ready()


def test_what_is_done_again_and_again_shows_no_records(command):
    done = command("reconcile", "--every", "1h", "--show-values")
    assert done.exit_code == 2
    assert "/metrics" in done.output


def test_the_command_tells_of_one_day_alone_when_asked(told, view, command):
    first, last = (told.live("nottinghamshire")[n] for n in (0, -1))
    view.lose("incident", first)
    other = command("reconcile", "nottinghamshire", "incident", "--day", "1999-01-01")
    assert first["source_key"] not in other.output
    assert "1 missing" in other.output
    its_own = command("reconcile", "nottinghamshire", "incident", "--day", first["created"]["local"][:10])
    assert f"missing: {first['source_key']}" in its_own.output
    assert last["source_key"] not in other.output


def test_a_feed_without_a_location_has_nothing_to_be_compared_with(tmp_path):
    done = CliRunner().invoke(app, ["reconcile", "leicestershire", "--state", str(tmp_path)])
    assert done.exit_code == 2
    assert "location" in done.output


def test_what_goes_on_changing_while_it_is_looked_at_is_no_difference(told, store, monkeypatch):
    """Each time the comparison looks, another record stands in the place of the last one."""
    view = told.show(store, complete_to=1)
    record = told.live("nottinghamshire")[0]
    numbers = itertools.count(record["source_version"])

    def change(_seconds):
        view.alter("incident", record, source_version=next(numbers), summary="not as it is in the source")

    change(0)
    monkeypatch.setattr("connectors.reconciliation.time.sleep", change)
    result = told.compare(store, told.feed("nottinghamshire"), patience=1)
    assert (named(result), result.changing, result.behind) == ({}, 1, False)
