"""Compares a record of the view with what is true, field by field.

Nothing here knows how a force writes or how it is mapped, only how exact its system is.
"""

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from connectors.standins.legacy import LegacySystems
from connectors.standins.truth import Place, Truth, TruthIncident, TruthPerson, domain_of
from connectors.standins.vocabulary import NATIONAL
from hub.view.query import Query

EXACT_TO_SECONDS = {"northamptonshire": 60}
HOLDS_NO_UPRN = {"northamptonshire"}
REFERENCES = {
    "leicestershire": lambda t: f"{t.number} of {t.date:%d/%m/%Y}",
    "northamptonshire": lambda t: f"{t.number} of {t.date:%d/%m/%Y}",
    "nottinghamshire": lambda t: f"NG-{t.date:%Y%m%d}-{t.number:04}",
}


def assert_view_is_true(query: Query, legacy: LegacySystems) -> None:
    """Compare every record of the view with what is true, and see that there is none besides."""
    truth = legacy.truth()
    wrong = {}
    for identity, record in truth.items():
        item = query.get(domain_of(record), identity)
        if item is None and record.deleted:
            continue  # it came and went between two looks
        found = ["is not there"] if item is None else differences(record, item.record)
        if found:
            wrong[identity] = found
    assert not wrong, f"{len(wrong)} of {len(truth)} are wrong, such as {dict(list(wrong.items())[:5])}"
    live = Counter((domain_of(record), record.force) for record in truth.values() if not record.deleted)
    counts = query.counts()
    assert {key: counts[key[0]][key[1]]["visible"] for key in live} == live


def differences(truth: Truth, record: dict[str, Any]) -> list[str]:
    """Every field in which the record does not say what is true: name, what it says, what is so."""
    found = [
        ("deleted", record["deleted"], truth.deleted),
        ("force", record["force"], truth.force),
    ]
    if not truth.deleted:
        found += _incident(truth, record) if isinstance(truth, TruthIncident) else _person(truth, record)
    return [f"{name}: {says!r} is not {so!r}" for name, says, so in found if says != so]


def _incident(truth: TruthIncident, record: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    yield "restricted", record["restricted"], truth.restricted
    if truth.restricted:
        for name in ("summary", "reference", "niche_reference", "qualifiers", "resources"):
            yield name, bool(record[name]), False
        yield "location.text", record["location"]["text"], ""
        return
    yield "reference", record["reference"], REFERENCES[truth.force](truth)
    for name in ("created", "dispatched", "arrived", "closed"):
        yield from _time(name, record[name], getattr(truth, name), EXACT_TO_SECONDS.get(truth.force, 1))
    yield "status", record["status"]["common"], truth.status
    yield "grade", record["grade"]["common"], truth.grade or "UNKNOWN"
    for name in ("opening", "closing"):
        code = getattr(truth, name)
        yield name, record[name]["common"], code
        yield f"{name}.category", record[name]["category"], NATIONAL[code][0] if code else "UNKNOWN"
    yield "qualifiers", [each["common"] for each in record["qualifiers"]], list(truth.qualifiers)
    yield "summary", record["summary"], truth.summary
    units = [(each["callsign"], each["common"]) for each in record["resources"]]
    yield "resources", units, [(unit.callsign, unit.state) for unit in truth.units]
    yield "niche_reference", record["niche_reference"], truth.niche
    yield "marking", record["marking"]["common"], truth.marking or "UNKNOWN"
    place = truth.place
    yield "location.beat", record["location"]["beat"], place.beat
    yield "location.uprn", record["location"]["uprn"], "" if truth.force in HOLDS_NO_UPRN else place.uprn
    yield from _place("location", record["location"], place)


def _person(truth: TruthPerson, record: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    yield "staff_number", record["staff_number"], truth.number
    yield "kind", record["kind"]["common"], truth.kind
    rank = record["rank"]
    yield "rank", rank["common"], truth.rank
    yield "rank.standing", rank["standing"], truth.standing
    yield "rank.until", rank["until"], truth.rank_until.isoformat() if truth.rank_until else ""
    for name in ("family_name", "given_names", "posting"):
        yield name, record[name], getattr(truth, name)
    skills = [(each["common"], each["expires"]) for each in record["skills"]]
    held = [(skill.name, skill.expires.isoformat() if skill.expires else "") for skill in truth.skills]
    yield "skills", skills, held
    yield "duty", record["duty"]["common"], truth.duty
    yield from _time("duty.starts", record["duty"]["starts"], truth.duty_starts, 60)
    yield from _time("duty.ends", record["duty"]["ends"], truth.duty_ends, 60)
    yield "employment", record["employment"]["common"], truth.employment
    yield from _place("base", record["base"], truth.base)


def _time(
    name: str, time: dict[str, Any], instant: dt.datetime | None, exact_to: int
) -> Iterator[tuple[str, Any, Any]]:
    """The instant lies between earliest and latest, which differ in the repeated hour alone."""
    if instant is None:
        yield name, (time["local"], time["earliest"], time["latest"]), ("", None, None)
        return
    seconds = int(instant.timestamp()) // exact_to * exact_to
    span = [(time[bound] or 0) // 1_000_000 for bound in ("earliest", "latest")]
    yield name, seconds in span, True
    yield f"{name} span", span[1] - span[0], 3600 if _is_repeated(instant) else 0


def _is_repeated(instant: dt.datetime) -> bool:
    """Whether the wall clock shows this time twice: an hour around 01:00 UTC, last Sunday of October."""
    sunday = dt.datetime(instant.year, 10, 31, 1, tzinfo=dt.UTC)
    sunday -= dt.timedelta((sunday.weekday() + 1) % 7)
    return abs((instant - sunday).total_seconds() + 0.5) <= 3600


def _place(name: str, record: dict[str, Any], place: Place) -> Iterator[tuple[str, Any, Any]]:
    yield f"{name}.text", record["text"], place.text
    yield f"{name}.postcode", record["postcode"], place.postcode
    located = record["latitude"] is not None and record["longitude"] is not None
    yield f"{name} located", located, place.latitude is not None
    if located and place.latitude is not None and place.longitude is not None:
        north = (record["latitude"] - place.latitude) * 111_300
        east = (record["longitude"] - place.longitude) * 111_300 * math.cos(math.radians(place.latitude))
        yield f"{name} within its accuracy", math.hypot(north, east) <= record["accuracy_metres"], True
        yield f"{name} within two metres", math.hypot(north, east) < 2, True
