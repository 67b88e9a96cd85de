"""The demo runs without a person, ends by itself, and accounts for every row."""

import dataclasses
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from hub.cli.accounts import Account, make_report
from hub.cli.app import app
from hub.cli.durations import read_duration
from hub.cli.progress import table
from hub.errors import ConfigurationError
from hub.normalise.counts import Counts
from hub.view.making import locked
from hub.view.migrating import make_at
from hub.view.store import store_database
from tests.behaviour.test_street import HOSTILE, write
from tests.legacy import builtin_forces
from tests.waiting import PATIENCE_SECONDS

FEEDS = [
    f"{force}/{domain}"
    for force in ("leicestershire", "northamptonshire", "nottinghamshire")
    for domain in ("incident", "hr")
]
SOURCE = {"source_rows", "read", "derived", "published", "unchanged", "other_force", "dead_lettered"}
DOMAIN = {"published", "normalised", "dead_lettered", "applied", "superseded", "visible", "deleted"}


PROGRAM = str(Path(sys.executable).with_name("alliance-hub"))


def run_demo(state: Path, *arguments: str, seconds: float = 280) -> subprocess.CompletedProcess[str]:
    """Run the program as a user would."""
    command = [PROGRAM, "demo", "--state", str(state), "--port", "0", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)


def refused(state: Path, *arguments: str) -> str:
    """What is said by a demo that does not start; nothing may be left of it."""
    done = CliRunner().invoke(app, ["demo", "--state", str(state), *arguments])
    assert done.exit_code == 2
    assert not state.exists()
    return done.output


def read_report(file: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(file.read_text("utf-8"))
    assert set(report) == {
        "balanced", "failing", "sources", "domains", "forces", "skipped", "elapsed_seconds",
    }  # fmt: skip
    assert set(report["sources"]) == set(FEEDS)
    assert all(set(counts) == SOURCE for counts in report["sources"].values())
    assert all(set(counts) == DOMAIN for counts in report["domains"].values())
    return report


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("1.5m", 90), ("1h", 3600)])
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float):
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["30", "s", "1d", "-1s", "1h30m", ""])
def test_another_duration_is_refused_with_the_form_it_has(text: str):
    with pytest.raises(ConfigurationError, match="write 30s, 5m or 1h"):
        read_duration(text)


def test_the_demo_ends_by_itself_with_a_report_that_balances_and_goes_on_the_next_time(tmp_path: Path):
    file = tmp_path / "report.json"
    done = run_demo(tmp_path / "state", "--for", "4s", "--rate", "40", "--report", str(file))
    assert done.returncode == 0, done.stderr + done.stdout
    assert re.search(r"^http://127\.0\.0\.1:\d+$", done.stdout, re.MULTILINE)
    first = read_report(file)
    assert first["balanced"]
    assert first["failing"] == []
    for feed in FEEDS:
        force, domain = feed.split("/")
        seen = first["forces"][force][domain]
        assert seen["visible"] == seen["paged"] == first["sources"][feed]["source_rows"] > 0
        assert force in done.stdout
    assert sum(first["sources"][feed]["other_force"] for feed in FEEDS) > 0
    assert first["sources"]["nottinghamshire/hr"]["dead_lettered"] > 0  # a row of no known force
    assert first["sources"]["northamptonshire/hr"]["dead_lettered"] == 0

    done = run_demo(tmp_path / "state", "--for", "2s", "--rate", "20", "--report", str(file))
    assert done.returncode == 0, done.stderr + done.stdout
    second = read_report(file)
    assert second["balanced"]
    assert second["domains"]["incident"]["visible"] >= first["domains"]["incident"]["visible"]
    assert second["domains"]["hr"]["published"] < 2 * first["domains"]["hr"]["published"]


def test_street_files_are_accounted_for_row_by_row(tmp_path: Path):
    street, file = tmp_path / "street", tmp_path / "report.json"
    (tmp_path / "state").mkdir()
    left = f"sqlite:///{tmp_path}/state/view.db"
    with store_database(left, None) as opened, locked(opened.engine) as connection:
        make_at(connection, "0001")  # by an earlier release
    for force in ("leicestershire", "northamptonshire", "nottinghamshire", "lincolnshire"):
        write(street, f"2024-03-{force}-street.csv", HOSTILE * 20)
    done = run_demo(tmp_path / "state", "--street", str(street), "--report", str(file), "--skip-unknown")
    assert done.returncode == 0, done.stderr + done.stdout
    report = read_report(file)
    assert report["balanced"]
    assert report["skipped"] == ["2024-03-lincolnshire-street.csv"]
    assert "skipped: 2024-03-lincolnshire-street.csv" in done.stdout
    assert [of["incident"]["paged"] for of in report["forces"].values()] == [100, 100, 100]
    assert report["domains"]["incident"]["applied"] == 300

    with closing(sqlite3.connect(tmp_path / "state" / "view.db")) as store, store:
        store.execute("delete from incidents where force = 'leicestershire' and change_number % 10 = 0")
    done = run_demo(tmp_path / "state", "--street", str(street), "--report", str(file), "--skip-unknown")
    assert done.returncode == 1
    report = read_report(file)
    assert not report["balanced"]
    lost = 100 - report["forces"]["leicestershire"]["incident"]["visible"]
    assert lost > 0
    (fault,) = report["failing"]
    equation = "leicestershire/incident: source_rows = visible, but for 0 rows dead-lettered"
    assert fault == f"{equation}: 100 is not {100 - lost}"
    assert f"does not balance: {fault}" in done.stdout

    bus = f"embedded:///{tmp_path}/state/bus.db"  # of other systems, whose rows are all gone from these
    done = run_demo(tmp_path / "other", "--for", "10m", "--bus", bus)
    assert done.returncode == 1
    held = r"^alliance-hub: connect leicestershire/incident: .* would remove 100 of "
    assert re.search(held, done.stderr, re.MULTILINE), done.stderr


def test_a_street_file_of_a_force_not_configured_stops_it_before_anything_starts(tmp_path: Path):
    street = write(tmp_path / "street", "2014-11-lincolnshire-street.csv", HOSTILE)
    said = refused(tmp_path / "state", "--street", str(street))
    assert "2014-11-lincolnshire-street.csv: force 'lincolnshire' is not configured" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--for", "3 s"), "write 30s, 5m or 1h"),
        (("--for", "3s", "--street", "."), "--for or --street"),
        (("--report", "report.json"), "--report needs --for or --street"),
        (("--for", "3s", "--report", "/nowhere/report.json"), "no folder '/nowhere'"),
        (("--street", "/nowhere"), "Street folder '/nowhere'"),
    ],
)
def test_what_cannot_be_run_is_refused_with_the_remedy(
    tmp_path: Path, arguments: tuple[str, ...], message: str
):
    assert message in refused(tmp_path / "state", *arguments)


@pytest.mark.parametrize(
    "setting",
    [
        'host = "0.0.0.0"',
        'tokens_file = "tokens.toml"',
        '[server]\nclient_ca_file = "a"\nclients_file = "b"\ncertificate_file = "c"\nkey_file = "d"',
        '[server]\ncertificate_file = "c"\nkey_file = "d"',
    ],
)
def test_a_demo_with_a_guard_or_for_other_machines_is_refused(tmp_path: Path, setting: str):
    config = tmp_path / "hub.toml"
    config.write_text(f"{setting}\n")
    assert "to this machine alone" in refused(tmp_path / "state", "--config", str(config))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_it_is_told_to_stop_and_stops_cleanly(tmp_path: Path, number: signal.Signals):
    command = [PROGRAM, "demo", "--state", str(tmp_path / "state"), "--port", "0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        assert running.stdout is not None
        address = running.stdout.readline().strip()
        try:
            assert httpx.get(f"{address}/incidents", params={"limit": 1}, timeout=60).json()["records"]
        finally:
            running.send_signal(number)
            _, errors = running.communicate(timeout=PATIENCE_SECONDS)
    assert running.returncode == 0, errors
    assert "Traceback" not in errors


def account(**changes: Any) -> Account:
    """A feed of ten rows, one of which came to nothing, that balances unless changed."""
    read = {"read": 12, "derived": 1, "published": 10, "unchanged": 1, "other_force": 1, "dead_lettered": 1}
    seen = {"applied": 8, "superseded": 1, "dead_lettered": 0, "visible": 7, "deleted": 1}
    whole = Account(
        feed=builtin_forces()["leicestershire"].feeds["incident"],
        source_rows=8,
        read=read,
        in_topic=10,
        topic_end=10,
        dead_rows=2,
        mapped=Counts(normalised=9, dead_lettered=1),
        view=seen,
        paged=7,
    )
    for name in ("read", "view"):
        changes[name] = getattr(whole, name) | changes.get(name, {})
    return dataclasses.replace(whole, **changes)


def test_accounts_that_add_up_balance():
    report = make_report([account()], skipped=[], elapsed_seconds=1)
    assert (report["balanced"], report["failing"]) == (True, [])


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"read": {"read": 13}}, "read + derived = published + unchanged + other_force + dead_lettered: 14"),
        ({"in_topic": 11, "topic_end": 11}, "published = records in the topic: 10 is not 11"),
        ({"in_topic": 9, "topic_end": 9}, "published = records in the topic: 10 is not 9"),
        ({"mapped": Counts(9, 2)}, "published = normalised + dead_lettered: 10 is not 11"),
        ({"view": {"superseded": 2}}, "normalised = applied + superseded: 9 is not 10"),
        ({"paged": 6}, "visible = paged: 7 is not 6"),
        ({"source_rows": 10}, "source_rows = visible, but for 2 rows dead-lettered: 10 is not 7"),
        ({"source_rows": 6}, "source_rows = visible, but for 2 rows dead-lettered: 6 is not 7"),
    ],
)
def test_the_equation_that_fails_is_named_with_its_numbers(changes: dict[str, Any], failing: str):
    report = make_report([account(**changes)], skipped=[], elapsed_seconds=1)
    assert report["balanced"] is False
    (fault,) = report["failing"]
    assert fault.startswith(f"leicestershire/incident: {failing}")


def test_a_topic_that_was_compacted_holds_fewer_records_than_were_published():
    report = make_report([account(in_topic=7, topic_end=10)], skipped=[], elapsed_seconds=1)
    assert report["balanced"]


def test_what_was_normalised_anew_arrives_once_more():
    again = account(mapped=Counts(9, 1, again=10), view={"applied": 12, "superseded": 6})
    assert make_report([again], skipped=[], elapsed_seconds=1)["balanced"]


def test_replayed_letters_count_as_normalised_and_what_was_sent_twice_arrives_twice():
    view = {"applied": 9, "superseded": 2, "dead_lettered": 1, "visible": 7, "deleted": 1}
    replayed = {"replayed_normalise": 1, "replayed_view": 1, "resent": 0}
    whole = account(mapped=Counts(8, 2), view=view | {"applied": 8}, replayed=replayed)
    report = make_report([whole], skipped=[], elapsed_seconds=1)
    assert report["balanced"] is False  # one more arrived than was sent
    whole = account(mapped=Counts(9, 1), view=view, replayed=replayed | {"resent": 1})
    report = make_report([whole], skipped=[], elapsed_seconds=1)
    assert report["balanced"], report["failing"]
    assert report["domains"]["incident"]["normalised"] == 10
    assert report["domains"]["incident"]["dead_lettered"] == 0


def test_the_table_shows_every_number_and_fits_a_narrow_terminal():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table(make_report([account()], skipped=[], elapsed_seconds=1)))
    rows = [line.split() for line in console.export_text().splitlines()]
    assert ["leicestershire", "all"] in rows
    assert ["source", "rows", "8", "8"] in rows
    assert ["published", "10", "10"] in rows
    assert ["superseded", "1"] in rows
    assert ["paged", "7", "7"] in rows
