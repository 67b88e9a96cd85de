"""Places keep the source's coordinate and get WGS84, with how it was had and how near it is."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.config import BoundarySettings
from hub.errors import ConfigurationError
from hub.normalise.boundary import Boundary, load_boundary
from hub.normalise.grid import to_osgb36, to_wgs84
from tests.mapped import BUILT_IN, built_in, compiled, event, feed, mapped
from tests.needs import public_data

# Ordnance Survey, OSTN15 developer pack, test points: ETRS89 latitude, longitude; OSGB36 easting, northing.
TEST_POINTS = [
    ("TP01", 49.92226393730, -6.29977752014, 91492.146, 11318.804),
    ("TP03", 50.43885825610, -4.10864563561, 250359.811, 62016.569),
    ("TP07", 51.37447025550, 1.44454730409, 639821.835, 169565.858),
    ("TP09", 51.48936564950, -0.11992557180, 530624.974, 178388.464),
    ("TP13", 52.25160951230, -0.91248956970, 474335.969, 262047.755),
    ("TP14", 52.75136687170, 0.40153547065, 562180.547, 319784.995),
    ("TP15", 52.96219109410, -1.19747655922, 454002.834, 340834.943),
    ("TP16", 53.34480280190, -2.64049320810, 357455.843, 383290.436),
]
MILLIMETRE_IN_DEGREES = 1e-8


@pytest.mark.parametrize(("name", "latitude", "longitude", "easting", "northing"), TEST_POINTS)
def test_ordnance_surveys_own_test_points_are_met_to_the_millimetre(
    name, latitude, longitude, easting, northing
):
    assert to_wgs84()(easting, northing) == pytest.approx((latitude, longitude), abs=MILLIMETRE_IN_DEGREES)
    assert to_osgb36()(latitude, longitude) == pytest.approx((easting, northing), abs=0.0011)


def test_points_told_ahead_come_out_as_one_by_one():
    points = [(easting, northing) for *_, easting, northing in TEST_POINTS]
    outside = [(0.0, 0.0), (-1.0, 5.0), (700_000.0, 100.0), (1.0, 1_249_999.0)]
    told, alone = to_wgs84(), to_wgs84()
    told.ahead([*points, *outside, *points])
    assert [told(*point) for point in points + outside] == [alone(*point) for point in points + outside]
    assert None not in [told(*point) for point in points]


def incident(force: str, **columns: Any) -> tuple[dict[str, Any], list[dict[str, str]]]:
    record = mapped(force, **columns)
    return record["location"], record["flags"]


def test_an_easting_and_northing_are_kept_beside_wgs84():
    place, flags = incident("leicestershire", EASTING=454003, NORTHING=340835)
    assert (place["x"], place["y"], place["crs"], place["method"]) == (454003, 340835, "EPSG:27700", "ostn15")
    assert (place["latitude"], place["longitude"]) == pytest.approx((52.962191, -1.197476), abs=5e-6)
    assert place["accuracy_metres"] == 1.5  # the diagonal of a metre by a metre, upwards
    assert flags == []


@pytest.mark.parametrize(
    ("text", "easting", "northing", "accuracy"),
    [
        ("SP 75400 60500", 475400, 260500, 1.5),
        ("SP7540060500", 475400, 260500, 1.5),
        ("sp 754 605", 475400, 260500, 141.5),
        ("SP 7 6", 470000, 260000, 14142.2),
        ("SK 54002 40834", 454002, 340834, 1.5),
        ("SV 91492 11318", 91492, 11318, 1.5),
    ],
)
def test_a_grid_reference_means_the_corner_of_its_square(text, easting, northing, accuracy):
    place, flags = incident("northamptonshire", **{"Grid Ref": text})
    assert (place["x"], place["y"], place["crs"]) == (easting, northing, "EPSG:27700")
    assert place["accuracy_metres"] == accuracy
    assert flags == []


def test_latitude_and_longitude_stay_as_given_and_their_digits_tell_how_near_they_are():
    place, flags = incident("nottinghamshire", Latitude="52.962191", Longitude="-1.19748")
    assert (place["x"], place["y"], place["crs"]) == (-1.19748, 52.962191, "EPSG:4326")
    assert (place["latitude"], place["longitude"], place["method"]) == (52.962191, -1.19748, "as_given")
    assert 1.1 < place["accuracy_metres"] < 1.5  # five digits after the point
    assert flags == []


@settings(deadline=None)
@given(st.floats(52.4, 53.5), st.floats(-1.5, -0.5), st.integers(2, 7))
def test_the_true_point_lies_within_the_stated_accuracy(latitude, longitude, digits):
    place, _ = incident(
        "nottinghamshire", Latitude=f"{latitude:.{digits}f}", Longitude=f"{longitude:.{digits}f}"
    )
    north = (place["latitude"] - latitude) * 111_300
    east = (place["longitude"] - longitude) * 111_300 * math.cos(math.radians(latitude))
    assert math.hypot(north, east) <= place["accuracy_metres"]


@pytest.mark.parametrize(
    ("force", "columns", "problem", "local"),
    [
        ("leicestershire", {"EASTING": 0, "NORTHING": 0}, "outside_grid", "0, 0"),
        ("leicestershire", {"EASTING": 458000, "NORTHING": -4}, "outside_grid", "458000, -4"),
        ("leicestershire", {"EASTING": 458000}, "half_a_coordinate", "458000, "),
        ("northamptonshire", {"Grid Ref": "XX 12345 12345"}, "outside_grid", "XX 12345 12345"),
        ("northamptonshire", {"Grid Ref": "SP 7540 605"}, "not_a_number", "SP 7540 605"),
        ("northamptonshire", {"Grid Ref": "SI 75400 60500"}, "not_a_number", "SI 75400 60500"),
        ("nottinghamshire", {"Latitude": "0", "Longitude": "0"}, "outside_grid", "0, 0"),
        ("nottinghamshire", {"Latitude": "54.5", "Longitude": "2.5"}, "outside_grid", "54.5, 2.5"),
        ("nottinghamshire", {"Latitude": "-1.2", "Longitude": "52.9"}, "outside_grid", "-1.2, 52.9"),
        ("nottinghamshire", {"Latitude": "nan", "Longitude": "1"}, "not_a_number", "nan, 1"),
        ("nottinghamshire", {"Latitude": "52,9", "Longitude": "-1.2"}, "not_a_number", "52,9, -1.2"),
        ("nottinghamshire", {"Latitude": "52.9", "Longitude": " "}, "half_a_coordinate", "52.9,  "),
    ],
)
def test_a_coordinate_that_cannot_be_is_blank_and_flagged_with_its_text(force, columns, problem, local):
    place, flags = incident(force, **columns)
    assert (place["x"], place["latitude"], place["crs"], place["accuracy_metres"]) == (None, None, "", None)
    assert flags == [{"field": "location", "problem": problem, "local": local}]


def test_no_coordinate_is_blank_without_a_flag():
    for force in built_in():
        place, flags = incident(force)
        assert (place["x"], place["latitude"], place["method"], flags) == (None, None, "", [])


def square(code: str, west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "properties": {"code": code},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


@pytest.fixture
def areas(tmp_path: Path) -> Path:
    """Leicestershire west of 1 degree west, Nottinghamshire east of it, Northamptonshire far south."""
    features = [
        square("E23000021", -1.4, 52.5, -1.0, 52.9),
        square("E23000019", -1.0, 52.5, -0.6, 52.9),
        square("E23000022", -1.4, 52.0, -0.6, 52.2),
        square("E23000018", -1.4, 53.0, -0.6, 53.4),
    ]
    file = tmp_path / "areas.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return file


def choice(file: Path, *, code_property: str = "code", accuracy_metres: float = 500) -> BoundarySettings:
    return BoundarySettings(file=file, code_property=code_property, accuracy_metres=accuracy_metres)


def located(boundary: Boundary, latitude: float, longitude: float) -> dict[str, Any]:
    mapper = compiled(BUILT_IN / "nottinghamshire", boundary=boundary)
    row = event(feed("nottinghamshire"), Latitude=str(latitude), Longitude=str(longitude))
    return mapper(row, "nottinghamshire.incident.v1", 0, 0)


def area_of(record: dict[str, Any]) -> tuple[str, str, list[str]]:
    place = record["location"]
    return place["geographic_force"], place["geographic_force_basis"], place["geographic_force_near"]


def test_the_force_of_the_area_is_decided_by_the_operators_boundary_file(areas: Path):
    boundary = load_boundary(choice(areas), built_in())
    record = located(boundary, 52.7, -1.2)
    assert record["force"] == "nottinghamshire"
    assert area_of(record) == ("leicestershire", "boundary", [])
    assert record["flags"] == []
    assert area_of(located(boundary, 52.7, -0.8)) == ("nottinghamshire", "boundary", [])


def test_an_area_of_a_force_that_is_not_configured_keeps_its_ons_code(areas: Path):
    assert area_of(located(load_boundary(choice(areas), built_in()), 53.2, -1))[0] == "E23000018"


def test_nearer_to_a_border_than_the_files_accuracy_both_forces_are_named(areas: Path):
    record = located(load_boundary(choice(areas), built_in()), 52.7, -0.995)  # 340 m east of the border
    assert area_of(record) == ("nottinghamshire", "boundary", ["leicestershire", "nottinghamshire"])
    assert record["flags"] == [{"field": "location.geographic_force", "problem": "near_border", "local": ""}]


def test_a_point_in_no_area_says_so(areas: Path):
    boundary = load_boundary(choice(areas), built_in())
    assert area_of(located(boundary, 52.35, -1)) == ("", "outside_all_areas", [])
    assert area_of(located(boundary, 52.203, -1)) == ("", "outside_all_areas", ["northamptonshire"])


def test_without_a_boundary_file_or_a_point_nothing_is_decided(areas: Path):
    assert incident("leicestershire", EASTING=454003, NORTHING=340835)[0]["geographic_force_basis"] == (
        "no_boundary_file"
    )
    mapper = compiled(BUILT_IN / "nottinghamshire", boundary=load_boundary(choice(areas), built_in()))
    assert area_of(mapper(event(feed("nottinghamshire")), "t", 0, 0)) == ("", "no_point", [])


def test_a_point_has_the_answer_that_measuring_it_alone_gives(areas: Path):
    remembering = load_boundary(choice(areas), built_in())

    @settings(deadline=None)
    @given(latitude=st.floats(52.45, 52.95), longitude=st.floats(-1.45, -0.55))
    def each(latitude: float, longitude: float) -> None:
        point = to_osgb36()(latitude, longitude)
        assert point is not None
        assert remembering.locate(*point) == remembering.measure(*point)

    each()


@pytest.mark.parametrize(
    ("text", "code_property", "part"),
    [
        ("{", "code", "not a GeoJSON"),
        ('{"features": []}', "code", "no area of leicestershire, northamptonshire, nottinghamshire"),
        (json.dumps({"features": [square("E1", -1, 52, -0.9, 53)]}), "name", "has no 'name'; it has code"),
        (json.dumps({"features": [{"properties": {}}]}), "code", "no geometry"),
        (json.dumps({"features": [square("E1", 400000, 300000, 400100, 300100)]}), "code", "outside Britain"),
    ],
)
def test_a_boundary_file_that_cannot_be_used_is_refused_with_the_remedy(tmp_path, text, code_property, part):
    file = tmp_path / "areas.geojson"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=part):
        load_boundary(choice(file, code_property=code_property), built_in())


def test_a_boundary_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="No such file"):
        load_boundary(choice(tmp_path / "nowhere.geojson"), built_in())


@pytest.mark.parametrize("name", ["derived-pfa-six-forces", "mysociety-police-forces"])
def test_the_real_areas_of_the_forces_are_told_apart(name):
    file = public_data(f"boundaries/{name}.geojson")
    boundary = load_boundary(choice(file, code_property="id", accuracy_metres=1000), built_in())
    for latitude, longitude, force in (
        (52.6369, -1.1398, "leicestershire"),
        (52.6721, -0.7274, "leicestershire"),  # Oakham, Rutland
        (52.2405, -0.9027, "northamptonshire"),
        (52.9548, -1.1581, "nottinghamshire"),
        (52.9225, -1.4746, "E23000018"),  # Derby
    ):
        assert area_of(located(boundary, latitude, longitude))[:2] == (force, "boundary")
