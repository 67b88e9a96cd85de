"""Places: the source coordinate and its grid are kept, and WGS84 added by OSTN15.

A coordinate outside the British grid (at sea, abroad, the 0, 0 that stands for nothing) is blank
and flagged. Accuracy is the radius that the source's own precision allows, never less than the
rule's `accuracy_metres`, which states what is known of the source.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import Field

from hub.normalise.flags import Flags, Row, as_text, flag, is_blank
from hub.normalise.grid import Conversion, Pair, to_osgb36, to_wgs84
from hub.normalise.rule import Made, Options, Site, Transform

OSGB36, WGS84 = "EPSG:27700", "EPSG:4326"

_LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"  # the grid leaves I out
_METRES_PER_DEGREE = 132_500  # diagonal of one degree by one degree at 49.8° north, the widest in Britain
_POINT = ("x", "y", "crs", "latitude", "longitude", "method", "accuracy_metres")
_AREA = ("geographic_force", "geographic_force_basis", "geographic_force_near")

Point = tuple[float, float, float, float, float, float, float]
"""x, y, easting, northing, latitude, longitude, accuracy."""


class PlaceOptions(Options):
    accuracy_metres: float = Field(0.0, ge=0)


class GridOptions(PlaceOptions):
    precision_metres: float = Field(1.0, gt=0)


def osgb36(options: GridOptions, site: Site) -> Made:
    """Compile the reading of an easting and a northing in metres."""
    accuracy, convert = _radius(options.precision_metres, options), to_wgs84()

    def read(easting: Any, northing: Any) -> Point | str:
        x, y = float(easting), float(northing)
        found = convert[x, y]
        return (x, y, x, y, found[0], found[1], accuracy) if found else _outside(x, y)

    return _pair(read, convert, site, OSGB36, "ostn15")


def wgs84(options: PlaceOptions, site: Site) -> Made:
    """Compile the reading of a latitude and a longitude in degrees, in this order."""
    convert = to_osgb36()

    def read(latitude: Any, longitude: Any) -> Point | str:
        y, x = float(latitude), float(longitude)
        found = convert[y, x]
        if found is None:
            return _outside(x, y)
        decimals = min(_decimals(latitude), _decimals(longitude))
        return (x, y, *found, y, x, _radius(_METRES_PER_DEGREE / math.sqrt(2) / 10**decimals, options))

    return _pair(read, convert, site, WGS84, "as_given")


def _outside(x: float, y: float) -> str:
    return "not_a_number" if math.isnan(x) or math.isnan(y) else "outside_grid"


def grid_reference(options: PlaceOptions, site: Site) -> Made:
    """Compile the reading of a grid reference with letters, such as SP 75400 60500."""
    column, convert = site.column("string"), to_wgs84()
    finish, without = _finisher(site, OSGB36, "ostn15")

    def value(row: Row, flags: Flags) -> dict[str, Any]:
        text = row[column]
        if not text or not text.strip():
            return without.copy()
        point = _square(text, options, convert)
        if isinstance(point, str):
            flags.append(flag(site.target.path, point, text))
            return without.copy()
        return finish(point, flags)

    def ahead(rows: Sequence[Row]) -> None:
        corners = (_corner(text) for row in rows if (text := row[column]))
        convert.ahead(corner[:2] for corner in corners if corner is not None)

    return Made(value, _fills(site), whole=True, ahead=ahead)


def _square(text: str, options: PlaceOptions, convert: Conversion) -> Point | str:
    """The south-west corner of a reference's square; its size is the accuracy."""
    corner = _corner(text)
    if corner is None:
        return "not_a_number"
    x, y, size = corner
    found = convert(x, y)
    return (x, y, x, y, *found, _radius(size, options)) if found else "outside_grid"


def _corner(text: str) -> tuple[float, float, int] | None:
    """Easting, northing and size of a reference's square."""
    compact = "".join(text.split()).upper()
    letters, digits = compact[:2], compact[2:]
    if len(letters) < 2 or any(each not in _LETTERS for each in letters):
        return None
    if len(digits) % 2 or len(digits) > 10 or not (digits.isascii() and (digits.isdigit() or not digits)):
        return None
    first, second = (_LETTERS.index(each) for each in letters)
    half = len(digits) // 2
    size = 10 ** (5 - half)
    easting = ((first - 2) % 5 * 5 + second % 5) * 100_000 + int(digits[:half] or 0) * size
    northing = (19 - first // 5 * 5 - second // 5) * 100_000 + int(digits[half:] or 0) * size
    return float(easting), float(northing), size


def _pair(
    read: Callable[[Any, Any], Point | str], convert: Conversion, site: Site, crs: str, method: str
) -> Made:
    first, second = site.several(2, "string", "int", "long", "float", "double")
    finish, without = _finisher(site, crs, method)

    def value(row: Row, flags: Flags) -> dict[str, Any]:
        a, b = row[first], row[second]
        try:
            point = read(a, b)
        except (TypeError, ValueError, OverflowError):
            point = _unread(a, b)
        if not isinstance(point, str):
            return finish(point, flags)
        if point:
            flags.append(flag(site.target.path, point, f"{as_text(a)}, {as_text(b)}"))
        return without.copy()

    def ahead(rows: Sequence[Row]) -> None:
        try:
            points = [(float(row[first]), float(row[second])) for row in rows]
        except (TypeError, ValueError, OverflowError):
            points = [point for row in rows if (point := _numbers(row[first], row[second]))]
        convert.ahead(points)

    return Made(value, _fills(site), whole=True, ahead=ahead)


def _numbers(first: Any, second: Any) -> Pair | None:
    try:
        return float(first), float(second)
    except (TypeError, ValueError, OverflowError):
        return None


def _unread(a: Any, b: Any) -> str:
    """Why two values are no coordinate; "" where none was stated."""
    blanks = is_blank(a) + is_blank(b)
    return ("not_a_number", "half_a_coordinate", "")[blanks]


def _fills(site: Site) -> tuple[str, ...]:
    site.target_has(*_POINT)
    return _POINT + (_AREA if _AREA[0] in site.target.fields else ())


Finish = Callable[[Point, Flags], dict[str, Any]]


def _finisher(site: Site, crs: str, method: str) -> tuple[Finish, dict[str, Any]]:
    """Make the function that writes a point into the fields of its target, and what stands where none is."""
    fills, boundary, path = _fills(site), site.boundary, site.target.path
    without: dict[str, Any] = site.target.blank.copy()
    has_area = _AREA[0] in fills
    if has_area:
        without[_AREA[1]] = "no_boundary_file" if boundary is None else "no_point"

    def finish(point: Point, _flags: Flags) -> dict[str, Any]:
        result = without.copy()
        result["x"], result["y"], _, _, result["latitude"], result["longitude"], accuracy = point
        result["crs"], result["method"], result["accuracy_metres"] = crs, method, accuracy
        return result

    def finish_in_area(point: Point, flags: Flags) -> dict[str, Any]:
        assert boundary is not None
        result, area = finish(point, flags), boundary.locate(point[2], point[3])
        result |= zip(_AREA, (area.force, area.basis, list(area.near)), strict=True)
        if area.near:
            flags.append(flag(f"{path}.{_AREA[0]}", "near_border", ""))
        return result

    return (finish_in_area if has_area and boundary is not None else finish), without


def _radius(size: float, options: PlaceOptions) -> float:
    """Radius of a square of `size` metres, upwards to a decimetre."""
    return max(options.accuracy_metres, math.ceil(size * math.sqrt(2) * 10 - 1e-6) / 10)


def _decimals(value: Any) -> int:
    """Digits after the point, as written; 9 at most, which is less than a millimetre."""
    return min(9, len(str(value).strip().partition(".")[2]))


TRANSFORMS = {
    "osgb36": Transform("Easting and northing in metres, OSGB36.", GridOptions, osgb36),
    "grid_reference": Transform("A grid reference with letters, OSGB36.", PlaceOptions, grid_reference),
    "wgs84": Transform("Latitude and longitude in degrees, WGS84.", PlaceOptions, wgs84),
}
