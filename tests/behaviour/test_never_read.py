"""What must never be shared is planted in every legacy system, and is then to be found nowhere."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.standins.planted import PLANTED
from hub.cli.parts import Parts
from hub.config import load_settings
from tests.behaviour.test_demo import run_demo

SHARED = "Plantagenet Shared Avenue"
"""Stands in a column that is read: if it were not found, nothing could be."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    """The state, output and report of a demo over street rows whose place is `SHARED`."""
    folder = tmp_path_factory.mktemp("never-read")
    street = folder / "street"
    street.mkdir()
    header = (
        "Crime ID,Month,Reported by,Falls within,Longitude,Latitude,Location,LSOA code,LSOA name,Crime type,"
        "Last outcome category,Context"
    )
    for force in ("leicestershire", "northamptonshire", "nottinghamshire"):
        row = f",2024-03,X,X,-1.133000,52.635500,{SHARED},E01025631,A 1,Burglary,,"
        (street / f"2024-03-{force}-street.csv").write_text("\n".join([header, *[row] * 20, ""]), "utf-8")
    report = folder / "report.json"
    done = run_demo(folder / "state", "--street", str(street), "--report", str(report))
    assert done.returncode == 0, done.stderr + done.stdout
    return folder / "state", done.stdout + done.stderr, json.loads(report.read_text("utf-8"))


def places(state: Path) -> Iterator[tuple[str, bytes]]:
    """Everything the hub keeps, by where it is kept; the legacy systems' own files left out."""
    parts = Parts(load_settings(None, environ={}, state=state))
    for topic in parts.bus.describe_topics():
        for received in parts.bus.read_all(topic):
            headers = b"".join(name.encode() + value for name, value in received.headers)
            yield topic, (received.key or b"") + (received.value or b"") + headers
    parts.close()
    for file in state.iterdir():
        if file.is_file():
            yield file.name, file.read_bytes()


def where(state: Path, text: str) -> set[str]:
    forms = [text.encode(encoding) for encoding in ("utf-8", "utf-16-le", "cp1252")]
    return {place for place, content in places(state) if any(form in content for form in forms)}


def test_the_search_finds_what_is_shared(run):
    state, _, _ = run
    found = where(state, SHARED)
    assert {"leicestershire.incident.v1", "alliance.incident.v1", "bus.db", "view.db"} <= found
    assert where(state, "|Substantive|") >= {"nottinghamshire.hr.v1.dlq"}  # a row refused as a whole


def test_every_planted_value_stands_in_a_legacy_system(run):
    state, _, _ = run
    held = b"".join(file.read_bytes() for file in (state / "legacy").rglob("*") if file.is_file())
    assert [name for name, value in PLANTED.items() if value.encode() not in held] == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_value_is_in_no_topic_dead_letter_store_or_log(run, name: str):
    state, said, _ = run
    assert where(state, PLANTED[name]) == set()
    assert PLANTED[name] not in said


def test_no_log_line_holds_a_place_or_a_name_that_was_read(run):
    _, said, _ = run
    assert SHARED not in said
