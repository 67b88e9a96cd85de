"""Whose area a point lies in, by a boundary file that the operator names.

Decided in OSGB36 metres. Squares of one kilometre that no border comes near are decided once;
only points in the others are measured.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import shapely
from convertbng.cutil import convert_to_osgb36
from shapely.geometry.base import BaseGeometry

from hub.errors import ConfigurationError
from hub.forces import Force

SQUARE_METRES = 1000
COVERAGE = shapely.box(-8.57, 49.923, 1.78, 60.84)
"""Where OSTN15 is known, in degrees; no point outside it has a place that could lie in an area."""


class BoundaryChoice(Protocol):
    """The operator's settings: the file, the property with the ONS code, and how accurate it is."""

    @property
    def file(self) -> Path: ...
    @property
    def code_property(self) -> str: ...
    @property
    def accuracy_metres(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Area:
    """In whose area a point lies, how that was decided, and whose border is too near to be sure."""

    force: str
    basis: str
    near: tuple[str, ...] = ()


OUTSIDE = Area("", "outside_all_areas")


class _Shape:
    """The area of one force with its border, made ready for many questions."""

    def __init__(self, name: str, area: BaseGeometry) -> None:
        self.name, self.area, self.border = name, area, area.boundary
        shapely.prepare(self.area)
        shapely.prepare(self.border)


class Boundary:
    """Areas of forces, by name: the hub's where the force is configured, else the ONS code."""

    def __init__(self, areas: Mapping[str, BaseGeometry], accuracy_metres: float) -> None:
        self._shapes = tuple(_Shape(name, area) for name, area in areas.items())
        self._accuracy = accuracy_metres
        self._squares: dict[tuple[int, int], Area | tuple[_Shape, ...]] = {}

    def locate(self, easting: float, northing: float) -> Area:
        """Decide for a point in OSGB36 metres."""
        square = int(easting // SQUARE_METRES), int(northing // SQUARE_METRES)
        found = self._squares.get(square)
        if found is None:
            found = self._squares[square] = self._decide(*square)
        return found if isinstance(found, Area) else self._measure(found, shapely.Point(easting, northing))

    def measure(self, easting: float, northing: float) -> Area:
        """Decide for a point without regard to its square."""
        return self._measure(self._shapes, shapely.Point(easting, northing))

    def _decide(self, column: int, row: int) -> Area | tuple[_Shape, ...]:
        """The answer for a whole square, or the shapes to measure where a border comes near it."""
        west, south = column * SQUARE_METRES, row * SQUARE_METRES
        box = shapely.box(west, south, west + SQUARE_METRES, south + SQUARE_METRES)
        if any(shapely.dwithin(shape.border, box, self._accuracy) for shape in self._shapes):
            return tuple(s for s in self._shapes if shapely.dwithin(s.area, box, self._accuracy))
        return self._measure(self._shapes, box.centroid)

    def _measure(self, shapes: tuple[_Shape, ...], point: BaseGeometry) -> Area:
        within = next((shape.name for shape in shapes if shapely.intersects(shape.area, point)), "")
        near = tuple(shape.name for shape in shapes if shapely.dwithin(shape.border, point, self._accuracy))
        if not within:
            return Area("", OUTSIDE.basis, near) if near else OUTSIDE
        # Simplified borders may overlap; then the order of the file decides, and `near` names both.
        return Area(within, "boundary", near)


def load_boundary(choice: BoundaryChoice, forces: Mapping[str, Force]) -> Boundary:
    """Read a GeoJSON file of areas in WGS84.

    Raises `ConfigurationError` where it cannot be read, lacks the property, or holds none of the forces.
    """
    names = {force.card.area: force.name for force in forces.values()}
    areas = {names.get(code, code): shape for code, shape in _features(choice).items()}
    if missing := sorted(set(names.values()) - set(areas)):
        raise ConfigurationError(
            f"Boundary file '{choice.file}' has no area of {', '.join(missing)}. "
            f"It must hold every force's ONS code in '{choice.code_property}'."
        )
    return Boundary(areas, choice.accuracy_metres)


def _features(choice: BoundaryChoice) -> dict[str, BaseGeometry]:
    try:
        features = json.loads(choice.file.read_text("utf-8"))["features"]
    except OSError as error:
        raise ConfigurationError(
            f"Boundary file '{choice.file}': {error.strerror}; correct `file` under [boundary]."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"Boundary file '{choice.file}' is not a GeoJSON FeatureCollection."
        ) from error
    shapes: dict[str, BaseGeometry] = {}
    for number, feature in enumerate(features, start=1):
        code, shape = _feature(choice, number, feature)
        shapes[code] = shape if code not in shapes else shapely.union(shapes[code], shape)
    return shapes


def _feature(choice: BoundaryChoice, number: int, feature: Any) -> tuple[str, BaseGeometry]:
    where = f"Boundary file '{choice.file}', feature {number}"
    try:
        properties = feature["properties"]
        degrees = shapely.geometry.shape(feature["geometry"])
    except (KeyError, TypeError, ValueError, AttributeError, shapely.errors.ShapelyError) as error:
        raise ConfigurationError(f"{where} has no geometry that can be read.") from error
    code = properties.get(choice.code_property)
    if not code:
        raise ConfigurationError(
            f"{where} has no '{choice.code_property}'; it has {', '.join(sorted(properties))}. "
            "Name the property with the ONS code in `code_property`."
        )
    covered = shapely.intersection(shapely.make_valid(degrees), COVERAGE)
    if covered.is_empty:
        raise ConfigurationError(f"{where} lies outside Britain; the file must be in WGS84 degrees.")
    return str(code), shapely.transform(covered, _to_metres)


def _to_metres(degrees: Any) -> Any:
    eastings, northings = convert_to_osgb36(degrees[:, 0].copy(), degrees[:, 1].copy())
    return np.column_stack((eastings, northings))
