"""A fourth force joins: a folder of configuration, schemas and code tables, and no line of Python."""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typer.testing import CliRunner

from connectors.standins.legacy import LegacySystems
from connectors.standins.street import find_street_files, load_street_file
from connectors.standins.truth import TruthIncident
from hub.cli.app import app
from hub.cli.parts import builtin_force_folders
from hub.forces import load_forces
from tests.behaviour.test_street import HOSTILE, write
from tests.comparison import differences
from tests.needs import public_data
from tests.trial import Hub, hub_on

LINCOLNSHIRE = Path(__file__).parents[1] / "forces" / "lincolnshire"
PROGRAM = str(Path(sys.executable).with_name("alliance-hub"))


@contextmanager
def hub(folder: Path, *joined: Path) -> Iterator[Hub]:
    """The hub of the three forces and those that joined, on what `folder` keeps."""
    forces = load_forces([*builtin_force_folders(), *joined])
    legacy = LegacySystems(folder / "legacy", forces, staff_scale=0.01, drop_seconds=0.1, extract_seconds=0.5)
    try:
        with hub_on(legacy, folder / "state", forces=joined) as running:
            yield running
    finally:
        legacy.close()


def load(running: Hub, street: Path) -> None:
    files, _ = find_street_files(street, running.legacy.forces, skip_unknown=True)
    for file in files:
        load_street_file(running.legacy, file)
    running.catch_up()


def visible(running: Hub) -> dict[str, int]:
    return {force: counts["visible"] for force, counts in running.query.counts()["incident"].items()}


def test_a_forces_folder_holds_no_program():
    endings = {file.suffix for file in LINCOLNSHIRE.rglob("*") if file.is_file()}
    assert endings <= {".toml", ".csv", ".avsc", ".json"}


def checked(folder: Path, tmp_path: Path):
    config = tmp_path / "hub.toml"
    config.write_text(f'forces = ["{folder}"]\n', "utf-8")
    return CliRunner().invoke(app, ["forces", "check", "--config", str(config)])


def test_the_folder_of_a_joining_force_is_checked_before_anything_starts(tmp_path: Path):
    assert "4 forces with 7 feeds are as they must be" in checked(LINCOLNSHIRE, tmp_path).output
    folder = tmp_path / "lincolnshire"
    shutil.copytree(LINCOLNSHIRE, folder)
    feed = folder / "incident.toml"
    text = feed.read_text("utf-8").replace("[source]", "[source]\nkynd = 1").replace("status", "statsu", 1)
    feed.write_text(text, "utf-8")
    done = checked(folder, tmp_path)
    assert done.exit_code == 2
    assert "kynd" in done.output
    assert "statsu" in done.output


def test_a_force_joins_a_hub_that_is_in_use_and_the_others_stay_as_they_are(tmp_path: Path):
    street = write(tmp_path / "street", "2024-03-leicestershire-street.csv", HOSTILE * 4)
    write(street, "2024-03-lincolnshire-street.csv", HOSTILE * 10)
    with hub(tmp_path) as running:
        load(running, street)
        before = running.query.last_change()
        assert visible(running) == {"leicestershire": 20}
    with hub(tmp_path, LINCOLNSHIRE) as running:
        load(running, street)
        assert visible(running) == {"leicestershire": 20, "lincolnshire": 50}
        changed = {change.record["force"] for change in running.query.changes_after(before, 1000)}
        assert changed == {"lincolnshire"}
        for identity, truth in running.legacy.truth().items():
            if isinstance(truth, TruthIncident) and truth.force == "lincolnshire":
                record = running.record("incident", identity)
                assert record is not None
                assert identity.startswith("urn:alliance:incident:lincolnshire:control:")
                assert record["provenance"]["raw_topic"] == "lincolnshire.incident.v1"
                # Its system is of the kind that Northamptonshire has, and as exact.
                as_exact = dataclasses.replace(truth, force="northamptonshire")
                assert differences(as_exact, record | {"force": "northamptonshire"}) == []


def test_its_schemas_keep_to_the_ids_it_claimed_and_pass_the_gate(tmp_path: Path):
    settings = tmp_path / "hub.toml"
    settings.write_text(f"forces = [{json.dumps(str(LINCOLNSHIRE))}]\n")
    done = CliRunner().invoke(app, ["schemas", "check", "--config", str(settings)])
    assert done.exit_code == 0, done.output


def test_its_street_file_of_november_2014_is_accounted_for_row_by_row(tmp_path: Path):
    given = public_data("street/2014-11-lincolnshire-street.csv")
    street, settings, report = tmp_path / "street", tmp_path / "hub.toml", tmp_path / "report.json"
    street.mkdir()
    (street / given.name).symlink_to(given)
    settings.write_text(f"forces = [{json.dumps(str(LINCOLNSHIRE))}]\n")
    command = [PROGRAM, "demo", "--street", street, "--config", settings, "--state", tmp_path / "state"]
    done = subprocess.run(
        [*map(str, command), "--port", "0", "--report", str(report)],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    told = json.loads(report.read_text("utf-8"))
    rows = len(given.read_text("utf-8").splitlines()) - 1
    assert told["balanced"]
    assert told["skipped"] == []
    assert told["sources"]["lincolnshire/incident"]["source_rows"] == rows
    assert told["forces"]["lincolnshire"]["incident"] == {"visible": rows, "paged": rows}
