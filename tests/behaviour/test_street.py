"""Street files become the content of the forces' incident systems: every row one incident."""

import csv
import datetime as dt
import sqlite3
import urllib.request
from pathlib import Path

import pytest
from convertbng.cutil import convert_osgb36_to_ll
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.standins.street import CRIME_TYPES, find_street_files, load_street_file
from connectors.standins.truth import TruthIncident
from hub.errors import ConfigurationError
from tests.legacy import Clock, legacy_systems

HEADER = (
    "Crime ID,Month,Reported by,Falls within,Longitude,Latitude,Location,LSOA code,LSOA name,Crime type,"
    "Last outcome category,Context"
)
ID = "26de8df2e8addd7e2b8fbd79d7bfe932f7c9e8c87d1e70b2fff62a7c8dee56c7"
HOSTILE = [
    f"{ID},2024-03,X Police,X Police,-1.133000,52.635500,On or near High Street,E01025631,A 1,Burglary,,",
    f"{ID},2024-03,X Police,X Police,-1.133000,52.635500,On or near High Street,E01025631,A 1,Burglary,,",
    f"{ID},2024-03,X Police,X Police,-0.7000,52.600,Mill Lane,E01025631,A 1,Robbery,Under investigation,",
    ",2024-03,X Police,X Police,,,No Location,,,Anti-social behaviour,,",
    ",2024-03,X Police,X Police,-3.200000,55.950000,On or near Royal Mile,S01000001,,Anti-social behaviour,,",
]
"""A row and its twin, the same id with other content, no id and no place, and a place far away."""


def write(folder: Path, name: str, rows: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join([HEADER, *rows, ""]), "utf-8", "surrogateescape")
    return folder


def load(legacy, folder: Path) -> list[int]:
    files, _ = find_street_files(folder, legacy.forces, skip_unknown=False)
    return [load_street_file(legacy, file) for file in files]


def incidents(legacy) -> list[TruthIncident]:
    found = [record for record in legacy.truth().values() if isinstance(record, TruthIncident)]
    return sorted(found, key=lambda incident: (incident.date, incident.number))


@pytest.mark.parametrize("force", ["leicestershire", "northamptonshire", "nottinghamshire"])
def test_every_row_is_one_incident_whatever_it_repeats_or_lacks(tmp_path: Path, force: str):
    folder = write(tmp_path / "street", f"2024-03-{force}-street.csv", HOSTILE)
    with legacy_systems(tmp_path / "legacy", Clock()) as legacy:
        assert load(legacy, folder) == [5]
        legacy.finish()
        assert legacy.count(force, "incident") == 5
        found = incidents(legacy)
    assert len({(incident.date, incident.number) for incident in found}) == 5
    assert [incident.niche for incident in found] == [ID, ID, ID, "", ""]
    assert [incident.opening for incident in found] == ["003", "003", "004", "102", "102"]
    assert [incident.status for incident in found] == ["CLOSED", "CLOSED", "OPEN", "CLOSED", "CLOSED"]
    assert found[3].place.latitude is None


def test_leicestershire_holds_the_point_in_metres_of_the_national_grid(tmp_path: Path):
    folder = write(tmp_path / "street", "2024-03-leicestershire-street.csv", HOSTILE)
    with legacy_systems(tmp_path / "legacy", Clock()) as legacy:
        load(legacy, folder)
        path = legacy.locations()["leicestershire"]["incident"].removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    rows = connection.execute("select EASTING, NORTHING from V_INCIDENT order by INC_DATE, INC_NO").fetchall()
    connection.close()
    (longitude,), (latitude,) = convert_osgb36_to_ll([rows[0][0]], [rows[0][1]])
    assert (longitude, latitude) == pytest.approx((-1.133, 52.6355), abs=1e-5)
    assert rows[3] == (None, None)


def test_northamptonshire_holds_the_point_as_a_grid_reference(tmp_path: Path):
    folder = write(tmp_path / "street", "2024-03-northamptonshire-street.csv", HOSTILE)
    with legacy_systems(tmp_path / "legacy", Clock()) as legacy:
        load(legacy, folder)
        legacy.finish()
        (drop,) = Path(legacy.locations()["northamptonshire"]["incident"]).glob("INC_*.csv")
    with drop.open(encoding="cp1252", newline="") as lines:
        references = [line["Grid Ref"] for line in csv.DictReader(lines)]
    assert references[0].startswith("SK 58")
    assert references[3] == ""


def test_nottinghamshire_holds_the_point_as_given(tmp_path: Path):
    folder = write(tmp_path / "street", "2024-03-nottinghamshire-street.csv", HOSTILE)
    with legacy_systems(tmp_path / "legacy", Clock()) as legacy:
        load(legacy, folder)
        with urllib.request.urlopen(legacy.locations()["nottinghamshire"]["incident"]) as answer:
            items = list(etree.fromstring(answer.read()))
    assert [item.findtext("Longitude") for item in items[:2]] == ["-1.133000", "-1.133000"]
    assert items[3].find("Longitude") is None
    assert items[3].findtext("Address") == "No Location"


def test_a_file_is_loaded_once_however_often_it_is_given(tmp_path: Path):
    folder = write(tmp_path / "street", "2024-03-leicestershire-street.csv", HOSTILE)
    with legacy_systems(tmp_path / "legacy", Clock()) as legacy:
        assert load(legacy, folder) == [5]
        assert load(legacy, folder) == [0]
    with legacy_systems(tmp_path / "legacy", Clock()) as legacy:
        assert load(legacy, folder) == [0]
        assert legacy.count("leicestershire", "incident") == 5


def test_rows_loaded_into_a_system_in_use_are_stamped_now(tmp_path: Path):
    """A watermark that has passed 2024 would never see rows stamped with their own month."""
    folder = write(tmp_path / "street", "2024-03-leicestershire-street.csv", HOSTILE)
    clock = Clock()
    with legacy_systems(tmp_path / "legacy", clock) as legacy:
        legacy.raise_incident("leicestershire", clock(), dt.date(2026, 6, 1))
        load(legacy, folder)
        path = legacy.locations()["leicestershire"]["incident"].removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    stamps = connection.execute("select distinct LAST_UPDATED from V_INCIDENT").fetchall()
    connection.close()
    assert stamps == [("2026-06-01 13:00:00",)]


def test_a_file_of_a_force_that_is_not_configured_is_refused_by_name_before_anything_is_loaded(
    tmp_path: Path,
):
    folder = write(tmp_path / "street", "2024-03-leicestershire-street.csv", HOSTILE)
    write(folder, "2024-03-lincolnshire-street.csv", HOSTILE)
    with pytest.raises(ConfigurationError, match=r"2024-03-lincolnshire-street\.csv: force 'lincolnshire'"):
        find_street_files(folder, ["leicestershire"], skip_unknown=False)
    files, skipped = find_street_files(folder, ["leicestershire"], skip_unknown=True)
    assert [file.force for file in files] == ["leicestershire"]
    assert skipped == ["2024-03-lincolnshire-street.csv"]


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("notes.txt", [], "holds no file YYYY-MM-<force>-street.csv"),
        ("2024-03-leicestershire-street.csv", [HOSTILE[0].replace("Burglary", "Piracy")], "line 2.*'Piracy'"),
        ("2024-03-leicestershire-street.csv", [HOSTILE[0].replace("52.6355", "N")], "line 2: Latitude 'N00'"),
        ("2024-03-leicestershire-street.csv", [HOSTILE[0].replace("High", "\udce9")], "not a street file in"),
    ],
)
def test_a_folder_or_row_that_is_none_is_refused(tmp_path: Path, name: str, rows: list[str], message: str):
    folder = write(tmp_path / "street", name, rows)
    with (
        legacy_systems(tmp_path / "legacy", Clock()) as legacy,
        pytest.raises(ConfigurationError, match=message),
    ):
        load(legacy, folder)


def test_a_file_with_other_columns_is_refused(tmp_path: Path):
    folder = tmp_path / "street"
    folder.mkdir()
    (folder / "2024-03-leicestershire-street.csv").write_text("a,b\n1,2\n", "utf-8")
    with (
        legacy_systems(tmp_path / "legacy", Clock()) as legacy,
        pytest.raises(ConfigurationError, match="twelve columns"),
    ):
        load(legacy, folder)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(1, 400),
    month=st.tuples(st.integers(2011, 2026), st.integers(1, 12)),
    kind=st.sampled_from(sorted(CRIME_TYPES)),
)
def test_numbers_go_up_by_one_within_each_local_day_of_the_month(
    tmp_path_factory: pytest.TempPathFactory, rows: int, month: tuple[int, int], kind: str
):
    folder = tmp_path_factory.mktemp("street")
    line = f",x,x,x,-1.133,52.6355,On or near High Street,E01,A 1,{kind},,"
    write(folder, f"{month[0]}-{month[1]:02}-leicestershire-street.csv", [line] * rows)
    with legacy_systems(folder / "legacy", Clock()) as legacy:
        load(legacy, folder)
        found = incidents(legacy)
    assert len(found) == rows
    assert {(each.date.year, each.date.month) for each in found} == {month}
    for day in {each.date for each in found}:
        numbers = [each.number for each in found if each.date == day]
        assert numbers == list(range(1, len(numbers) + 1))
