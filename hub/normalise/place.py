"""Places: the source coordinate and its grid are kept, and WGS84 added by OSTN15.

A coordinate outside the British grid (at sea, abroad, the 0, 0 that stands for nothing) is blank
and flagged. Accuracy is the radius that the source's own precision allows, never less than the
rule's `accuracy_metres`, which states what is known of the source.
"""

import math
from collections.abc import Callable
from typing import Any

from convertbng.cutil import convert_osgb36_to_ll, convert_to_osgb36
from pydantic import Field

from hub.normalise.flags import Flags, Row, as_text, flag
from hub.normalise.rule import Made, Options, Site, Transform

OSGB36, WGS84 = "EPSG:27700", "EPSG:4326"
LIMITS = (700_000, 1_250_000)
"""East and north end of the British National Grid, in metres."""

_LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"  # the grid leaves I out
_METRES_PER_DEGREE = 132_500  # diagonal of one degree by one degree at 49.8° north, the widest in Britain
_MOST_KNOWN = 16_384
_POINT = ("x", "y", "crs", "latitude", "longitude", "method", "accuracy_metres")
_AREA = ("geographic_force", "geographic_force_basis", "geographic_force_near")

Point = tuple[float, float, float, float, float, float, float]
"""x, y, easting, northing, latitude, longitude, accuracy."""


class PlaceOptions(Options):
    accuracy_metres: float = Field(0.0, ge=0)


class GridOptions(PlaceOptions):
    precision_metres: float = Field(1.0, gt=0)


def to_wgs84(easting: float, northing: float) -> tuple[float, float] | None:
    """Latitude and longitude of an OSGB36 point by OSTN15; None outside the grid."""
    if not (0 <= easting < LIMITS[0] and 0 <= northing < LIMITS[1]):
        return None
    longitudes, latitudes = convert_osgb36_to_ll(easting, northing)
    longitude, latitude = float(longitudes[0]), float(latitudes[0])
    return None if math.isnan(latitude) else (latitude, longitude)


def to_osgb36(latitude: float, longitude: float) -> tuple[float, float] | None:
    """Easting and northing of a WGS84 point by OSTN15; None outside the grid."""
    if not (49 < latitude < 62 and -10 < longitude < 3):
        return None
    eastings, northings = convert_to_osgb36(longitude, latitude)
    easting, northing = float(eastings[0]), float(northings[0])
    return (easting, northing) if 0 <= easting < LIMITS[0] and 0 <= northing < LIMITS[1] else None


def osgb36(options: GridOptions, site: Site) -> Made:
    """Compile the reading of an easting and a northing in metres."""
    accuracy = _radius(options.precision_metres, options)

    def read(easting: Any, northing: Any) -> Point | str:
        x, y = _number(easting), _number(northing)
        if x is None or y is None:
            return "not_a_number"
        found = to_wgs84(x, y)
        return (x, y, x, y, *found, accuracy) if found else "outside_grid"

    return _pair(read, site, OSGB36, "ostn15")


def wgs84(options: PlaceOptions, site: Site) -> Made:
    """Compile the reading of a latitude and a longitude in degrees, in this order."""

    def read(latitude: Any, longitude: Any) -> Point | str:
        y, x = _number(latitude), _number(longitude)
        if x is None or y is None:
            return "not_a_number"
        found = to_osgb36(y, x)
        if found is None:
            return "outside_grid"
        decimals = min(_decimals(latitude), _decimals(longitude))
        return (x, y, *found, y, x, _radius(_METRES_PER_DEGREE / math.sqrt(2) / 10**decimals, options))

    return _pair(read, site, WGS84, "as_given")


def grid_reference(options: PlaceOptions, site: Site) -> Made:
    """Compile the reading of a grid reference with letters, such as SP 75400 60500."""
    column = site.column("string")
    known: dict[Any, dict[str, Any]] = {}
    finish = _finisher(site, OSGB36, "ostn15")

    def value(row: Row, flags: Flags) -> dict[str, Any]:
        text = row[column]
        found = known.get(text)
        if found is not None:
            return found
        if not as_text(text).strip():
            return finish(None, flags)
        point = _square(text, options)
        if isinstance(point, str):
            flags.append(flag(site.target.path, point, text))
            return finish(None, flags)
        return _remember(known, text, finish, point, flags)

    return Made(value, _fills(site))


def _square(text: str, options: PlaceOptions) -> Point | str:
    """The south-west corner of a reference's square; its size is the accuracy."""
    compact = "".join(text.split()).upper()
    letters, digits = compact[:2], compact[2:]
    if len(letters) < 2 or any(each not in _LETTERS for each in letters):
        return "not_a_number"
    if len(digits) % 2 or len(digits) > 10 or not (digits.isascii() and (digits.isdigit() or not digits)):
        return "not_a_number"
    first, second = (_LETTERS.index(each) for each in letters)
    half = len(digits) // 2
    size = 10 ** (5 - half)
    easting = ((first - 2) % 5 * 5 + second % 5) * 100_000 + int(digits[:half] or 0) * size
    northing = (19 - first // 5 * 5 - second // 5) * 100_000 + int(digits[half:] or 0) * size
    found = to_wgs84(easting, northing)
    if found is None:
        return "outside_grid"
    x, y = float(easting), float(northing)
    return (x, y, x, y, *found, _radius(size, options))


def _pair(read: Callable[[Any, Any], Point | str], site: Site, crs: str, method: str) -> Made:
    first, second = site.several(2, "string", "int", "long", "float", "double")
    known: dict[Any, dict[str, Any]] = {}
    finish = _finisher(site, crs, method)

    def value(row: Row, flags: Flags) -> dict[str, Any]:
        pair = (row[first], row[second])
        found = known.get(pair)
        if found is not None:
            return found
        a, b = (as_text(each).strip() for each in pair)
        if not a and not b:
            return finish(None, flags)
        point = read(*pair) if a and b else "half_a_coordinate"
        if isinstance(point, str):
            flags.append(flag(site.target.path, point, f"{a}, {b}"))
            return finish(None, flags)
        return _remember(known, pair, finish, point, flags)

    return Made(value, _fills(site))


Finish = Callable[[Point | None, Flags], dict[str, Any]]


def _remember(
    known: dict[Any, dict[str, Any]], source: Any, finish: Finish, point: Point, flags: Flags
) -> dict[str, Any]:
    before = len(flags)
    result = finish(point, flags)
    if len(flags) == before:
        if len(known) >= _MOST_KNOWN:
            known.clear()
        known[source] = result
    return result


def _fills(site: Site) -> tuple[str, ...]:
    site.target_has(*_POINT)
    return _POINT + (_AREA if _AREA[0] in site.target.fields else ())


def _finisher(site: Site, crs: str, method: str) -> Finish:
    """Make the function that writes a point into the fields of its target, its area with it."""
    fills, boundary, path = _fills(site), site.boundary, site.target.path
    without = {name: site.target.fields[name].blank for name in fills}
    has_area = _AREA[0] in fills
    if has_area:
        without[_AREA[1]] = "no_boundary_file" if boundary is None else "no_point"

    def finish(point: Point | None, flags: Flags) -> dict[str, Any]:
        if point is None:
            return without
        x, y, easting, northing, latitude, longitude, accuracy = point
        result = without | {
            "x": x, "y": y, "crs": crs,
            "latitude": latitude, "longitude": longitude, "method": method, "accuracy_metres": accuracy,
        }  # fmt: skip
        if has_area and boundary is not None:
            area = boundary.locate(easting, northing)
            result |= zip(_AREA, (area.force, area.basis, list(area.near)), strict=True)
            if area.near:
                flags.append(flag(f"{path}.{_AREA[0]}", "near_border", ""))
        return result

    return finish


def _radius(size: float, options: PlaceOptions) -> float:
    """Radius of a square of `size` metres, upwards to a decimetre."""
    return max(options.accuracy_metres, math.ceil(size * math.sqrt(2) * 10 - 1e-6) / 10)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _decimals(value: Any) -> int:
    """Digits after the point, as written; 9 at most, which is less than a millimetre."""
    return min(9, len(str(value).strip().partition(".")[2]))


TRANSFORMS = {
    "osgb36": Transform("Easting and northing in metres, OSGB36.", GridOptions, osgb36),
    "grid_reference": Transform("A grid reference with letters, OSGB36.", PlaceOptions, grid_reference),
    "wgs84": Transform("Latitude and longitude in degrees, WGS84.", PlaceOptions, wgs84),
}
