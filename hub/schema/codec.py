"""Values on the bus: Avro in the Confluent wire format (0x00, four bytes of schema id, the datum).

Instants are whole microseconds since 1970 UTC, enums their symbols, `bytes` and `fixed` bytes.
"""

import struct
from collections.abc import Callable, Mapping
from copy import deepcopy
from io import BytesIO
from typing import Any

from fastavro import schemaless_reader, schemaless_writer  # noqa: TID251  # this is the codec
from fastavro.read import SchemaResolutionError  # noqa: TID251

from hub.errors import BadRecordError, NewerSchemaError
from hub.schema.decode import DAMAGE, PREFIX_LENGTH, Decode, compile_decoder
from hub.schema.encode import REFUSALS, compile_encoder
from hub.schema.index import SchemaVersion
from hub.schema.misfit import misfit
from hub.schema.registry import SUFFIX, Registry
from hub.schema.varint import MalformedError

Encoder = Callable[[Mapping[str, Any]], bytes]
Decoder = Callable[[bytes | None], dict[str, Any]]


class Codec:
    """Makes the functions that write and read the values of a topic; each is made once."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._encoders: dict[int, Encoder] = {}
        self._decoders: dict[str, Decoder] = {}

    def encoder(self, topic: str) -> Encoder:
        """Give the function that writes a datum in the newest schema of a topic or subject.

        A datum that does not fit raises `BadRecordError` with the field's path and never its
        value. A field left out takes its default, which costs ten times as much as giving it;
        a key that is no field is not written.
        """
        version = self.registry.newest(_subject(topic))
        if version.id not in self._encoders:
            self._encoders[version.id] = _encoder(version)
        return self._encoders[version.id]

    def decoder(self, topic: str) -> Decoder:
        """Give the function that reads a value of a topic or subject as its newest schema.

        Values of older versions are resolved to the newest. `BadRecordError` for a value that
        is missing, not of this format, of an unknown id or of another subject's, cut short, too
        long or not of its schema; `NewerSchemaError` where the unknown id is one that only a newer
        release can have given.
        """
        subject = _subject(topic)
        if subject not in self._decoders:
            self._decoders[subject] = _decoder(self.registry, subject)
        return self._decoders[subject]


def _subject(topic: str) -> str:
    return topic if topic.endswith(SUFFIX) else topic + SUFFIX


def _prefix(version: SchemaVersion) -> bytes:
    return struct.pack(">bI", 0, version.id)


def _encoder(version: SchemaVersion) -> Encoder:
    prefix, parsed = _prefix(version), version.parsed
    fast = compile_encoder(parsed, prefix)

    def encode(datum: Mapping[str, Any]) -> bytes:
        try:
            return fast(datum)
        except REFUSALS:
            return slowly(datum)

    def slowly(datum: Mapping[str, Any]) -> bytes:
        wrong = misfit(parsed, datum)
        if wrong is not None:
            raise BadRecordError(f"does not fit {version.name}: {wrong}") from None
        stream = BytesIO()
        stream.write(prefix)
        schemaless_writer(stream, parsed.schema, datum)
        return stream.getvalue()

    return encode


def _decoder(registry: Registry, subject: str) -> Decoder:
    newest = registry.newest(subject)
    prefix = _prefix(newest)
    fast = compile_decoder(newest.parsed)
    older = {
        _prefix(version): _resolver(version, newest)
        for version in registry.versions(subject)
        if version is not newest
    }

    def decode(value: bytes | None) -> dict[str, Any]:
        try:
            if value[:PREFIX_LENGTH] == prefix:  # type: ignore[index]  # None is told apart below
                return fast(value)  # type: ignore[arg-type]
            return otherwise(value)
        except DAMAGE as error:
            raise BadRecordError(_reason(value, newest, error)) from None

    def otherwise(value: bytes | None) -> dict[str, Any]:
        if not value:
            raise BadRecordError("has no value; a tombstone is for erasure only")
        resolve = older.get(value[:PREFIX_LENGTH])
        if resolve is None:
            raise _stranger(registry, subject, value)
        return resolve(value)

    return decode


def _resolver(writer: SchemaVersion, reader: SchemaVersion) -> Decode:
    """Make the function that reads a value of an older version as the newest."""
    check = compile_decoder(writer.parsed)  # fastavro skips dropped fields without a look at the end

    def resolve(value: bytes) -> dict[str, Any]:
        try:
            check(value)
            stream = BytesIO(value)
            stream.seek(PREFIX_LENGTH)
            datum = schemaless_reader(stream, writer.parsed.schema, reader.parsed.schema)
        except (*DAMAGE, SchemaResolutionError) as error:
            raise BadRecordError(_reason(value, writer, error)) from None
        resolved: dict[str, Any] = deepcopy(datum)  # defaults come as the schema's own lists
        return resolved

    return resolve


def _stranger(registry: Registry, subject: str, value: bytes) -> BadRecordError:
    if len(value) < PREFIX_LENGTH:
        return BadRecordError(f"is cut short: {len(value)} bytes are less than the wire format's prefix")
    if value[0] != 0:
        return BadRecordError(
            f"is not in the wire format: it begins with byte {value[0]:#04x} in place of 0x00"
        )
    number = int.from_bytes(value[1:PREFIX_LENGTH], "big")
    version = registry.by_id(number)
    if version is not None:
        return BadRecordError(
            f"has schema id {number} of subject '{version.subject}', not one of '{subject}'"
        )
    if registry.may_come(number, subject):
        return NewerSchemaError(
            f"has schema id {number}, which a newer release has given: the index here ends before it. "
            "Bring the hub and its forces' folders here to the release of who wrote it, and start again"
        )
    return BadRecordError(f"has schema id {number}, which is in no index; load the force that wrote it")


def _reason(value: bytes | None, version: SchemaVersion, error: Exception) -> str:
    if value is None:
        return "has no value; a tombstone is for erasure only"
    if isinstance(error, UnicodeDecodeError):
        what = "a text is not UTF-8"
    elif isinstance(error, IndexError | EOFError | struct.error):
        what = "it is cut short"
    elif isinstance(error, MalformedError):
        what = f"it has {error}"
    else:
        what = "a part of it has no meaning there"
    return f"does not follow its schema (id {version.id}, {version.name}): {what}"
