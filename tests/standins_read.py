"""What the stand-ins hold, read back from each force's own format."""

import csv
import datetime as dt
import sqlite3
import urllib.request
from pathlib import Path

from lxml import etree

from connectors.standins.legacy import LegacySystems
from connectors.standins.places import TOWNS
from connectors.standins.truth import Place, Unit, local

FORCES = ("leicestershire", "northamptonshire", "nottinghamshire")
FULL = {
    "status": "AT_SCENE",
    "grade": "PRIORITY",
    "opening": "302",
    "qualifiers": ("ALCOHOL", "YOUTH"),
    "summary": 'Collision; "two cars", café £5',
    "units": (Unit("XX07", "AT_SCENE"), Unit("XX12", "EN_ROUTE")),
    "niche": "26310000001",
    "marking": "OFFICIAL_SENSITIVE",
}


def place_in(force: str) -> Place:
    town = TOWNS[force][0]
    return Place("1 High Street", "AB1 2CD", "000012345678", town.latitude, town.longitude, town.beat)


def raise_full(legacy: LegacySystems, force: str) -> str:
    at = dt.datetime(2026, 6, 1, 10, 0, tzinfo=dt.UTC)
    later = at + dt.timedelta(minutes=7)
    return legacy.raise_incident(
        force, at, local(at).date(), dispatched=at, arrived=later, place=place_in(force), **FULL
    )


def sql_rows(legacy: LegacySystems, domain: str, table: str) -> list[dict[str, object]]:
    path = legacy.locations()["leicestershire"][domain].removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute(f'select * from "{table}"')]
    connection.close()
    return rows


def csv_lines(legacy: LegacySystems) -> list[dict[str, str]]:
    """Every line of every drop that is marked whole, in order of the drops' names."""
    legacy.finish()
    folder = Path(legacy.locations()["northamptonshire"]["incident"])
    lines: list[dict[str, str]] = []
    for file in sorted(folder.glob("INC_*.csv")):
        assert file.with_name(file.name + ".done").exists()
        with file.open(encoding="cp1252", newline="") as text:
            lines += csv.DictReader(text)
    return lines


def newest_extract(legacy: LegacySystems) -> list[dict[str, str]]:
    legacy.finish()
    folder = Path(legacy.locations()["nottinghamshire"]["hr"])
    header, *rows, trailer = max(folder.glob("MFSS_HR_*.txt")).read_text("utf-8").splitlines()
    assert trailer == f"TRAILER|{len(rows)}"
    return [dict(zip(header.split("|"), row.split("|"), strict=True)) for row in rows]


def feed_page(legacy: LegacySystems, token: str = "") -> etree._Element:
    location = legacy.locations()["nottinghamshire"]["incident"]
    with urllib.request.urlopen(f"{location}?token={token}") as answer:
        return etree.fromstring(answer.read())
