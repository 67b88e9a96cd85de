"""Incidents to measure with: varied, realistic, the same on every run."""

import datetime as dt
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

from connectors.standins.places import ROADS, TOWNS
from connectors.standins.sql_incidents import SqlIncidents
from connectors.standins.truth import Place, TruthIncident, Unit, local
from connectors.standins.vocabulary import LEICESTERSHIRE, NATIONAL

FORCE = "leicestershire"
BEGAN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_CHUNK = 5000


def incidents(count: int) -> Iterator[TruthIncident]:
    """Closed incidents with units, a place and a summary, a thousand a day."""
    rng = random.Random(1)
    codes = list(NATIONAL)
    for n in range(count):
        created = BEGAN + dt.timedelta(days=n // 1000, seconds=(n % 1000) * 80)
        town, opening = rng.choice(TOWNS[FORCE]), rng.choice(codes)
        yield TruthIncident(
            FORCE,
            local(created).date(),
            n % 1000 + 1,
            created,
            dispatched=created + dt.timedelta(minutes=2),
            arrived=created + dt.timedelta(minutes=11),
            closed=created + dt.timedelta(hours=1),
            status="CLOSED",
            grade=rng.choice(("EMERGENCY", "PRIORITY", "SCHEDULED", "NO_ATTENDANCE")),
            opening=opening,
            closing=opening,
            qualifiers=("ALCOHOL", "YOUTH") if n % 4 == 0 else (),
            summary=f"{NATIONAL[opening][1]}: reported by a passer-by, {n} metres from the junction",
            place=Place(
                text=f"{rng.randint(1, 120)} {rng.choice(ROADS)}, {town.name}",
                postcode=f"{town.district} {n % 9 + 1}AB",
                uprn=f"{n:012}",
                latitude=town.latitude + rng.uniform(-0.01, 0.01),
                longitude=town.longitude + rng.uniform(-0.01, 0.01),
                beat=town.beat,
            ),
            units=(Unit(f"LA{n % 90:02}", "AT_SCENE"), Unit(f"LB{n % 70:02}", "EN_ROUTE")),
            niche=f"2633{n:07}",
            marking="OFFICIAL",
        )


def fill(file: Path, count: int) -> str:
    """Fill Leicestershire's incident system with `count` incidents; return its location."""
    system = SqlIncidents(f"sqlite:///{file}", LEICESTERSHIRE)
    made = incidents(count)
    while chunk := list(itertools.islice(made, _CHUNK)):
        system.create(chunk, [truth.created for truth in chunk])
    location = system.location
    system.close()
    return location
