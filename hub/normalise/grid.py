"""Conversion between WGS84 and the British National Grid by OSTN15, many points at once."""

from collections.abc import Callable, Iterable

import numpy as np
from convertbng.cutil import convert_osgb36_to_ll, convert_to_osgb36
from numpy.typing import NDArray

LIMITS = (700_000, 1_250_000)
"""East and north end of the British National Grid, in metres."""

Pair = tuple[float, float]
Numbers = NDArray[np.float64]
Convert = Callable[[Numbers, Numbers], tuple[Numbers, Numbers, NDArray[np.bool_]]]
"""From the first and second coordinates of many points to those they become, and which lie on the grid."""

_MOST_POINTS = 8192  # an incident changes a few times within minutes, and many share an address


class Conversion(dict[Pair, Pair | None]):
    """From a pair of coordinates to another pair; None outside the grid.

    Each call into the library gives up the interpreter's lock and then waits for whoever took
    it, so points told ahead are converted in one call, and remembered.
    """

    def __init__(self, convert: Convert) -> None:
        super().__init__()
        self._convert = convert

    def __call__(self, one: float, other: float) -> Pair | None:
        return self[one, other]

    def __missing__(self, point: Pair) -> Pair | None:
        self.ahead([point])
        return self[point]

    def ahead(self, points: Iterable[Pair]) -> None:
        """Convert these, as far as they are not known."""
        if len(self) > _MOST_POINTS:
            self.clear()
        new = [point for point in points if point not in self]
        if new:
            first, second, inside = self._convert(*(np.array(each, float) for each in zip(*new, strict=True)))
            self.update(zip(new, zip(first.tolist(), second.tolist(), strict=True), strict=True))
            self.update((new[n], None) for n in np.flatnonzero(~inside))


def to_wgs84() -> Conversion:
    """From OSGB36 easting and northing to latitude and longitude."""

    def convert(eastings: Numbers, northings: Numbers) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
        longitudes, latitudes = convert_osgb36_to_ll(eastings, northings)
        return latitudes, longitudes, _on_grid(eastings, northings) & ~np.isnan(latitudes)

    return Conversion(convert)


def to_osgb36() -> Conversion:
    """From WGS84 latitude and longitude to easting and northing."""

    def convert(latitudes: Numbers, longitudes: Numbers) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
        eastings, northings = convert_to_osgb36(longitudes, latitudes)
        return eastings, northings, _on_grid(eastings, northings)

    return Conversion(convert)


def _on_grid(eastings: Numbers, northings: Numbers) -> NDArray[np.bool_]:
    """Where the library has no answer, it gives NaN, which is nowhere."""
    east, north = LIMITS
    return (eastings >= 0) & (eastings < east) & (northings >= 0) & (northings < north)
