"""Six real street files, 47,563 rows with repeated, empty and missing values: every row is accounted for."""

import csv
import json
from collections import Counter
from pathlib import Path

from tests.behaviour.test_demo import run_demo
from tests.needs import public_data

FORCES = ("leicestershire", "northamptonshire", "nottinghamshire")


def test_every_row_of_the_real_street_files_is_visible(tmp_path: Path):
    data, rows = public_data("street"), Counter[str]()
    for file in data.glob("*-street.csv"):
        with file.open(encoding="utf-8", newline="") as lines:
            rows[file.name.split("-")[2]] += sum(1 for _ in csv.DictReader(lines))
    assert sum(rows[force] for force in FORCES) == 47_563
    report = tmp_path / "report.json"
    done = run_demo(
        tmp_path / "state", "--street", str(data), "--skip-unknown", "--report", str(report), seconds=280
    )
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads(report.read_text("utf-8"))
    assert found["balanced"]
    assert found["skipped"] == ["2014-11-lincolnshire-street.csv"]
    for force in FORCES:
        assert found["sources"][f"{force}/incident"]["source_rows"] == rows[force]
        assert found["forces"][force]["incident"] == {"visible": rows[force], "paged": rows[force]}
