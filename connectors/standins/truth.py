"""What really is, in neutral terms, before any stand-in renders it in its force's own format.

Tests compare the view with these records, so that a mapping is never checked by its own mirror.
Common values are the alliance's symbols; instants are UTC.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from convertbng.cutil import convert_to_osgb36
from pydantic import TypeAdapter

LONDON = ZoneInfo("Europe/London")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in WGS84; blank where the system holds none."""

    text: str = ""
    postcode: str = ""
    uprn: str = ""
    latitude: float | None = None
    longitude: float | None = None
    beat: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    callsign: str
    state: str


@dataclass(frozen=True, slots=True)
class Skill:
    name: str
    expires: dt.date | None = None


@dataclass(frozen=True, slots=True)
class TruthIncident:
    """One incident. `date` is the local day whose sequence gave `number`."""

    force: str
    date: dt.date
    number: int
    created: dt.datetime
    dispatched: dt.datetime | None = None
    arrived: dt.datetime | None = None
    closed: dt.datetime | None = None
    status: str = "OPEN"
    grade: str = ""
    opening: str = ""
    closing: str = ""
    qualifiers: tuple[str, ...] = ()
    summary: str = ""
    place: Place = Place()
    units: tuple[Unit, ...] = ()
    niche: str = ""
    marking: str = ""
    restricted: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class TruthPerson:
    """One person's employment with one force."""

    force: str
    number: str
    kind: str
    rank: str
    family_name: str
    given_names: str
    posting: str
    base: Place
    standing: str = "SUBSTANTIVE"
    rank_until: dt.date | None = None
    skills: tuple[Skill, ...] = ()
    duty: str = "OFF_DUTY"
    duty_starts: dt.datetime | None = None
    duty_ends: dt.datetime | None = None
    employment: str = "EMPLOYED"
    deleted: bool = False


Truth = TruthIncident | TruthPerson


def local(instant: dt.datetime) -> dt.datetime:
    """The British wall clock at an instant, without an offset, as every legacy system writes it."""
    return instant.astimezone(LONDON).replace(tzinfo=None)


_JSON: dict[str, TypeAdapter[Any]] = {
    "incident": TypeAdapter(TruthIncident),
    "hr": TypeAdapter(TruthPerson),
}


def domain_of(truth: Truth) -> str:
    return "incident" if isinstance(truth, TruthIncident) else "hr"


def to_json(truth: Truth) -> str:
    return _JSON[domain_of(truth)].dump_json(truth).decode()


def from_json(domain: str, text: str) -> Truth:
    truth: Truth = _JSON[domain].validate_json(text)
    return truth


def points(places: Sequence[Place]) -> list[tuple[float, float] | None]:
    """OSGB36 easting and northing of each place by OSTN15; None where it has no coordinates."""
    located = [
        (p.longitude, p.latitude) for p in places if p.latitude is not None and p.longitude is not None
    ]
    if not located:
        return [None] * len(places)
    eastings, northings = convert_to_osgb36([x for x, _ in located], [y for _, y in located])
    found = iter(zip(eastings.tolist(), northings.tolist(), strict=True))
    return [None if p.latitude is None else next(found) for p in places]
