"""Alliance records as the view receives them, for the tests of the store, the view and the queries."""

import json

from hub.domains import DOMAINS
from hub.view.plan import change_taker
from hub.view.session import Batch

T0 = 1_480_000_000_000_000
SECOND = 1_000_000


def _time(micros):
    return {"local": "", "earliest": micros, "latest": micros}


def _head(noun, force, key, version, mapping, deleted, read_at, changed_at):
    return {
        "id": f"urn:alliance:{noun}:{force}:{key}",
        "force": force,
        "system": "command",
        "source_key": key,
        "source_version": version,
        "mapping_version": mapping,
        "deleted": deleted,
        "restricted": False,
        "provenance": {
            "source_position": "a test",
            "raw_topic": f"{force}.incident.v1",
            "raw_partition": 0,
            "raw_offset": 0,
            "read_at": read_at,
            "changed_at": changed_at,
        },
    }


def _place(latitude, longitude):
    return {
        "text": "",
        "postcode": "",
        "uprn": "",
        "x": None,
        "y": None,
        "crs": "",
        "latitude": latitude,
        "longitude": longitude,
        "method": "",
        "accuracy_metres": None,
    }


def incident(
    key="1",
    version=1,
    *,
    force="leicestershire",
    mapping=1,
    created=T0,
    latest=None,
    status="OPEN",
    grade="PRIORITY",
    category="CRIME",
    deleted=False,
    read_at=T0 + 1_000_000,
    changed_at=None,
    latitude=None,
    longitude=None,
    area="",
    summary="",
):
    place = _place(latitude, longitude)
    place |= {
        "beat": "",
        "geographic_force": area,
        "geographic_force_basis": "",
        "geographic_force_near": [],
    }
    code = {"local": "", "common": "", "category": category}
    return {
        **_head("incident", force, f"command:{key}", version, mapping, deleted, read_at, changed_at),
        "reference": key,
        "created": {"local": "", "earliest": created, "latest": created if latest is None else latest},
        "dispatched": _time(None),
        "arrived": _time(None),
        "closed": _time(None),
        "status": {"local": status, "common": status},
        "grade": {"local": grade, "common": grade},
        "opening": code,
        "closing": {"local": "", "common": "", "category": "UNKNOWN"},
        "qualifiers": [],
        "summary": summary,
        "location": place,
        "resources": [],
        "niche_reference": "",
        "marking": {"local": "", "common": "OFFICIAL"},
        "flags": [],
    }


def staff(key="1", version=1, *, force="leicestershire", mapping=1, read_at=T0, skills=(), deleted=False):
    return {
        **_head("staff", force, key, version, mapping, deleted, read_at, None),
        "staff_number": key,
        "kind": {"local": "", "common": "POLICE_OFFICER"},
        "rank": {"local": "", "common": "CONSTABLE", "standing": "SUBSTANTIVE", "until": ""},
        "family_name": "",
        "given_names": "",
        "posting": "",
        "base": _place(None, None),
        "skills": [{"local": s, "common": s, "expires": ""} for s in skills],
        "duty": {"local": "", "common": "ON_DUTY", "starts": _time(None), "ends": _time(None)},
        "employment": {"local": "", "common": "EMPLOYED"},
        "flags": [],
    }


class JsonCodec:
    """Bodies as JSON, where only the store is looked at."""

    def decoder(self, _topic):
        return json.loads


def body(record):
    return json.dumps(record).encode()


def batch(domain, *records, **more):
    take = change_taker(DOMAINS[domain])
    return Batch(domain, [take(record, body(record)) for record in records], **more)
