"""What is written is what any Avro client reads, and what is read is what was written."""

import json
import struct
from contextlib import suppress
from io import BytesIO
from typing import Any

import fastavro  # noqa: TID251  # an ordinary client
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.errors import BadRecordError
from hub.forces import SCHEMAS
from hub.schema.codec import Codec
from hub.schema.lasting import Lasting
from hub.schema.registry import load_registry
from tests.avro_strategies import data_for, schemas
from tests.codecs import codec_of, plain, record

REGISTRY = load_registry()
CODEC = Codec(REGISTRY)
PUBLISHED = sorted({version.subject.replace("*", "leicestershire") for version in REGISTRY})

quietly = settings(deadline=None, suppress_health_check=list(HealthCheck))


def by_an_ordinary_client(value: bytes) -> Any:
    """Read a value as any Confluent client would: by the index alone."""
    magic, number = struct.unpack(">bI", value[:5])
    assert magic == 0
    index = {entry["id"]: entry for entry in json.loads((SCHEMAS / "index.json").read_text())}
    schema = json.loads((SCHEMAS / index[number]["file"]).read_text())
    stream = BytesIO(value[5:])
    datum = fastavro.schemaless_reader(stream, fastavro.parse_schema(schema), None)
    assert not stream.read()
    return datum


def as_fastavro_writes(schema: Any, datum: Any) -> bytes:
    stream = BytesIO(b"\0\0\0\0\1")
    stream.seek(5)
    fastavro.schemaless_writer(stream, plain(schema), datum)
    return stream.getvalue()


# --- any schema ---------------------------------------------------------------------------------


@settings(quietly, max_examples=200)
@given(st.data())
def test_any_datum_of_any_schema_is_written_as_fastavro_writes_it_and_comes_back(data):
    schema = data.draw(schemas())
    datum = data.draw(data_for(schema))
    codec = codec_of(schema)

    value = codec.encoder("t")(datum)

    assert value == as_fastavro_writes(schema, datum)
    assert codec.decoder("t")(value) == datum


@settings(quietly, max_examples=120)
@given(st.data())
def test_any_value_cut_short_or_too_long_is_refused(data):
    schema = data.draw(schemas())
    value = codec_of(schema).encoder("t")(data.draw(data_for(schema)))
    decode = codec_of(schema).decoder("t")
    with pytest.raises(BadRecordError):
        decode(value + b"\0")
    with pytest.raises(BadRecordError):
        decode(value[: data.draw(st.integers(0, len(value) - 1))])


@settings(quietly, max_examples=200)
@given(st.data())
def test_damaged_bytes_are_refused_or_mean_something_else_and_raise_nothing_else(data):
    subject = data.draw(st.sampled_from(PUBLISHED))
    schema = REGISTRY.newest(subject).schema
    value = bytearray(CODEC.encoder(subject)(data.draw(data_for(plain(schema)))))
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BadRecordError):
        CODEC.decoder(subject)(bytes(value))


@pytest.mark.parametrize(
    "number", [0, -1, 63, 64, 8191, 8192, -8193, 2**20, 2**27, 2**41, 2**48, 2**55, 2**62]
)
def test_numbers_of_every_length_are_written_as_fastavro_writes_them_and_come_back(number):
    schema = record({"name": "n", "type": "long"}, {"name": "m", "type": ["null", "long"]})
    codec = codec_of(schema)
    for each in (number, number - 1, number + 1, -number):
        datum = {"n": each, "m": each}
        value = codec.encoder("t")(datum)
        assert value == as_fastavro_writes(schema, datum)
        assert codec.decoder("t")(value) == datum


@pytest.mark.parametrize("length", [0, 63, 64, 8191, 8192, 600_000])
def test_texts_and_blobs_of_every_length_come_back(length):
    kinds = {"s": "string", "o": ["null", "string"], "b": "bytes"}
    codec = codec_of(record(*({"name": name, "type": kind} for name, kind in kinds.items())))
    datum = {"s": "é" * length, "o": "x" * length, "b": b"\xff" * length}
    assert codec.decoder("t")(codec.encoder("t")(datum)) == datum


def test_arrays_in_several_blocks_are_read_as_other_writers_may_write_them():
    codec = codec_of(record({"name": "a", "type": {"type": "array", "items": "int"}}))
    # Two items in a block with its size in bytes, then one in a plain block, then the end.
    assert codec.decoder("t")(b"\0\0\0\0\1" + b"\x03\x04\x02\x04" + b"\x02\x06" + b"\x00") == {"a": [1, 2, 3]}


# --- our schemas --------------------------------------------------------------------------------


@settings(quietly, max_examples=100)
@given(st.data())
def test_whatever_fits_a_published_schema_comes_back_as_it_was(data):
    subject = data.draw(st.sampled_from(PUBLISHED))
    datum = data.draw(data_for(plain(REGISTRY.newest(subject).schema)))
    assert CODEC.decoder(subject)(CODEC.encoder(subject)(datum)) == datum


@settings(quietly, max_examples=50)
@given(st.data())
def test_an_ordinary_client_reads_a_force_event_with_nothing_but_the_index(data):
    topic = data.draw(st.sampled_from(["leicestershire.incident.v1", "nottinghamshire.incident.v1"]))
    schema = plain(REGISTRY.newest(f"{topic}-value").schema)
    datum = {**data.draw(data_for(schema)), "read_at": 1_478_000_000_000_000, "changed_at": None}

    read = by_an_ordinary_client(CODEC.encoder(topic)(datum))

    assert read["read_at"].isoformat() == "2016-11-01T11:33:20+00:00"
    assert {**read, "read_at": datum["read_at"]} == datum


def empty_event() -> dict[str, Any]:
    row = REGISTRY.newest("leicestershire.incident.v1-value").schema["fields"][-1]["type"]
    return {
        "record_id": "urn:alliance:incident:leicestershire:command:2016-11-01:1",
        "system": "command",
        "key": "2016-11-01:1",
        "source_version": 1,
        "deleted": False,
        "read_at": 1,
        "changed_at": None,
        "source_position": "V_INCIDENT",
        "content_hash": bytes(16),
        "absent": [],
        "row": {field["name"]: None for field in row["fields"]},
    }


def test_null_and_absent_and_false_and_empty_stay_distinct():
    encode = CODEC.encoder("leicestershire.incident.v1")
    decode = CODEC.decoder("leicestershire.incident.v1")
    events = [empty_event() for _ in range(4)]
    events[1]["absent"] = ["RESTRICTED"]
    events[2]["row"]["RESTRICTED"] = False
    events[3]["row"]["SUMMARY"] = ""

    values = [encode(event) for event in events]

    assert len(set(values)) == 4
    assert [decode(value) for value in values] == events
    assert decode(values[2])["row"]["RESTRICTED"] is False


def test_a_field_left_out_takes_its_default_and_a_key_that_is_no_field_is_not_written():
    codec = codec_of(
        record({"name": "a", "type": "int"}, {"name": "b", "type": ["null", "int"], "default": None})
    )
    value = codec.encoder("t")({"a": 1, "salary": 30_000})
    assert codec.decoder("t")(value) == {"a": 1, "b": None}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"system": 3}, "'system' must be string, not int"),
        ({"system": b"x"}, "'system' must be string, not bytes"),
        ({"system": "\ud800"}, "'system' must be string, not str with half a surrogate pair"),
        ({"deleted": 1}, "'deleted' must be boolean, not int"),
        ({"deleted": None}, "'deleted' must be boolean, not null"),
        ({"source_version": True}, "'source_version' must be long, not bool"),
        ({"source_version": 1.0}, "'source_version' must be long, not float"),
        ({"source_version": 2**63}, "'source_version' must be long, not int out of range"),
        ({"changed_at": "now"}, "'changed_at' must be long, not str"),
        ({"content_hash": b"x"}, "'content_hash' must be fixed, not bytes of another length"),
        ({"absent": "SUMMARY"}, "'absent' must be array, not str"),
        ({"absent": ["SUMMARY", None]}, "'absent[1]' must be string, not null"),
        ({"row": None}, "'row' must be record, not null"),
        ({"row": {"INC_NO": "Jo Bloggs"}}, "'row.INC_NO' must be long, not str"),
        ({"row": {"INC_NO": True}}, "'row.INC_NO' must be long, not bool"),
        ({"row": {"RESTRICTED": 0}}, "'row.RESTRICTED' must be boolean, not int"),
    ],
)
def test_a_datum_that_does_not_fit_is_refused_with_the_field_and_without_its_value(change, problem):
    datum = {**empty_event(), **change}
    if isinstance(change.get("row"), dict):
        datum["row"] = {**empty_event()["row"], **change["row"]}
    with pytest.raises(BadRecordError) as refused:
        CODEC.encoder("leicestershire.incident.v1")(datum)
    assert str(refused.value) == f"does not fit leicestershire/incident.avsc: {problem}"


def test_a_missing_field_without_default_is_named():
    datum = empty_event()
    del datum["key"]
    with pytest.raises(BadRecordError, match="'key' is missing and has no default"):
        CODEC.encoder("leicestershire.incident.v1")(datum)


def test_a_symbol_that_an_alliance_enum_does_not_have_is_refused():
    codec = codec_of(record({"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["UNKNOWN"]}}))
    with pytest.raises(BadRecordError, match="'e' must be enum, not str of no symbol"):
        codec.encoder("t")({"e": "MAYBE"})


# --- values that are not what they should be ----------------------------------------------------


def good_value() -> bytes:
    return CODEC.encoder("leicestershire.incident.v1")(empty_event())


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "has no value"),
        (b"", "has no value"),
        (b"\0\0", "is cut short"),
        (b"{" + good_value(), "begins with byte 0x7b"),
        (b"\0\0\0\x27\x10" + good_value()[5:], "schema id 10000, which is in no index"),
        (b"\0\0\0\0\1" + good_value()[5:], "schema id 1 of subject 'alliance.incident.v1-value'"),
        (good_value()[:5], "it is cut short"),
        (good_value()[:-1], "it is cut short"),
        (good_value() + b"xyz", "it has 3 bytes too many"),
        (good_value()[:5] + b"\x01" + good_value()[6:], "a length below nought"),
        (good_value()[:6] + b"\xff" + good_value()[7:], "a text is not UTF-8"),
        (good_value()[:-1] + b"\x08", "a union branch that is not there"),
        (good_value()[:5] + b"\xff" * 11, "a number of more than"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_with_the_reason(value, problem):
    with pytest.raises(BadRecordError, match=problem):
        CODEC.decoder("leicestershire.incident.v1")(value)


def test_a_record_that_lasts_is_written_as_any_other_by_every_schema_that_writes_it():
    kinds = ["UNKNOWN", "OPEN"], ["OPEN", "UNKNOWN"]
    of_words = [
        record(
            {"name": "local", "type": "string"},
            {"name": "common", "type": {"type": "enum", "name": "E", "symbols": symbols}},
        )
        for symbols in kinds
    ]
    codecs = [
        codec_of({"type": "record", "name": "T", "fields": [{"name": "a", "type": words}]})
        for words in of_words
    ]
    lasting, plain_one = Lasting({"local": "é", "common": "OPEN"}), {"local": "é", "common": "OPEN"}

    for codec in [*codecs, *codecs]:
        encode = codec.encoder("t")
        assert encode({"a": lasting}) == encode({"a": lasting}) == encode({"a": plain_one})
        assert codec.decoder("t")(encode({"a": lasting})) == {"a": plain_one}
