"""Conversion between WGS84 and the British National Grid by OSTN15, many points at once."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from convertbng.cutil import convert_osgb36_to_ll, convert_to_osgb36

LIMITS = (700_000, 1_250_000)
"""East and north end of the British National Grid, in metres."""

Pair = tuple[float, float]

_MOST_POINTS = 8192  # an incident changes a few times within minutes, and many share an address


class Conversion:
    """From a pair of coordinates to another pair; None outside the grid.

    Each call into the library gives up the interpreter's lock and then waits for whoever took
    it, so points told ahead are converted in one call, and remembered.
    """

    def __init__(
        self,
        covers: Callable[[float, float], bool],
        convert: Callable[[Sequence[Pair]], Iterator[Pair | None]],
    ) -> None:
        self._covers = covers
        self._convert = convert
        self._known: dict[Pair, Pair | None] = {}

    def __call__(self, one: float, other: float) -> Pair | None:
        point = (one, other)
        if point not in self._known:
            self.ahead([point])
        return self._known[point]

    def ahead(self, points: Iterable[Pair]) -> None:
        """Convert these, as far as they are not known."""
        known = self._known
        if len(known) > _MOST_POINTS:
            known.clear()
        new = {point: None for point in points if point not in known}
        known |= new
        inside = [point for point in new if self._covers(*point)]
        if inside:
            known.update(zip(inside, self._convert(inside), strict=True))


def to_wgs84() -> Conversion:
    """From OSGB36 easting and northing to latitude and longitude."""

    def covers(easting: float, northing: float) -> bool:
        return 0 <= easting < LIMITS[0] and 0 <= northing < LIMITS[1]

    def convert(points: Sequence[Pair]) -> Iterator[Pair | None]:
        eastings, northings = np.array(points, float).T.copy()
        longitudes, latitudes = convert_osgb36_to_ll(eastings, northings)
        for latitude, longitude in zip(latitudes.tolist(), longitudes.tolist(), strict=True):
            yield None if math.isnan(latitude) else (latitude, longitude)

    return Conversion(covers, convert)


def to_osgb36() -> Conversion:
    """From WGS84 latitude and longitude to easting and northing."""

    def covers(latitude: float, longitude: float) -> bool:
        return 49 < latitude < 62 and -10 < longitude < 3

    def convert(points: Sequence[Pair]) -> Iterator[Pair | None]:
        latitudes, longitudes = np.array(points, float).T.copy()
        eastings, northings = convert_to_osgb36(longitudes, latitudes)
        for easting, northing in zip(eastings.tolist(), northings.tolist(), strict=True):
            inside = 0 <= easting < LIMITS[0] and 0 <= northing < LIMITS[1]
            yield (easting, northing) if inside else None

    return Conversion(covers, convert)
