"""Values of older and newer versions of a schema are read, and the newest is written."""

import json
from io import BytesIO
from typing import Any

import fastavro  # noqa: TID251  # an ordinary client
import pytest

from hub.errors import BadRecordError
from hub.schema.avsc import fingerprint
from hub.schema.registry import load_registry
from tests.codecs import codec_of, plain, record

OLD = record({"name": "a", "type": "int"}, {"name": "gone", "type": "string"})
NEW = record(
    {"name": "a", "type": "long"},
    {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
    {"name": "why", "type": ["null", "string"], "default": None},
)


def test_a_value_of_an_older_version_is_read_as_the_newest():
    old_value = codec_of(OLD).encoder("t")({"a": 1, "gone": "x"})
    decode = codec_of(OLD, NEW).decoder("t")
    assert decode(old_value) == {"a": 1, "tags": [], "why": None}


def test_a_default_that_someone_changes_does_not_change_for_the_next_record():
    old_value = codec_of(OLD).encoder("t")({"a": 1, "gone": "x"})
    decode = codec_of(OLD, NEW).decoder("t")
    decode(old_value)["tags"].append("mine")
    assert decode(old_value)["tags"] == []


@pytest.mark.parametrize("damage", [lambda v: v[:-1], lambda v: v + b"x", lambda v: v[:5] + b"\xff" * 12])
def test_a_damaged_value_of_an_older_version_is_refused_too(damage):
    old_value = codec_of(OLD).encoder("t")({"a": 1, "gone": "xy"})
    with pytest.raises(BadRecordError):
        codec_of(OLD, NEW).decoder("t")(damage(old_value))


def test_the_newest_version_is_the_one_that_is_written():
    assert codec_of(OLD, NEW).encoder("t")({"a": 1, "tags": [], "why": None})[:5] == b"\0\0\0\0\2"


def test_a_symbol_added_to_an_alliance_enum_is_unknown_to_an_older_reader_and_breaks_nothing():
    old = load_registry().newest("alliance.incident.v1-value").schema
    new = json.loads(json.dumps(old).replace('"CANCELLED"]', '"CANCELLED", "TRANSFERRED"]'))
    assert fingerprint(new) != fingerprint(old)
    status = {"status": {"local": "T", "common": "TRANSFERRED"}}
    value = codec_of(new).encoder("t")({**minimal(old), **status})

    # An older reader that fetches the writer's schema by its id, as Confluent clients do.
    read = fastavro.schemaless_reader(BytesIO(value[5:]), plain(new), plain(old))

    assert read["status"] == {"local": "T", "common": "UNKNOWN"}


def minimal(schema: Any, names: dict[str, Any] | None = None) -> Any:
    """A record of a schema with nothing in it but what must be."""
    names = {} if names is None else names
    empty = {"string": "", "int": 0, "long": 0, "boolean": False}
    datum = {}
    for field in schema["fields"]:
        kind = names.get(field["type"], field["type"]) if isinstance(field["type"], str) else field["type"]
        if isinstance(kind, dict) and "name" in kind:
            names[kind["name"]] = kind
        if "default" in field:
            datum[field["name"]] = field["default"]
        elif isinstance(kind, str):
            datum[field["name"]] = empty[kind]
        else:
            datum[field["name"]] = minimal(kind, names)
    return datum
