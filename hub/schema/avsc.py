"""A schema as text, as parsed for our own reading and writing, and as a fingerprint."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastavro.schema import SchemaParseException, UnknownType, parse_schema  # noqa: TID251  # the codec's own folder

from hub.errors import ConfigurationError

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

_REMARKS = frozenset({"doc", "class", "column"})
"""What a schema says to people and connectors; it has no bearing on the bytes or on reading them."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A schema without logical types (instants are whole microseconds), names written in full."""

    schema: Any
    names: Mapping[str, Any]

    def resolve(self, schema: Any) -> Any:
        """Follow a reference to a named type."""
        return self.names[schema] if isinstance(schema, str) and schema not in PRIMITIVES else schema


def kind(schema: Any) -> str:
    """`union`, a primitive, `record`, `enum`, `fixed`, `array`, `map`, or the name of a named type."""
    if isinstance(schema, list):
        return "union"
    return str(schema["type"] if isinstance(schema, dict) else schema)


def parse(schema: Any) -> Parsed:
    """Parse the JSON of a schema; ConfigurationError tells what Avro does not allow."""
    names: dict[str, Any] = {}
    try:
        parsed = parse_schema(_without_logical_types(schema), names)
    except (SchemaParseException, UnknownType) as error:
        raise ConfigurationError(f"not an Avro schema: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"not an Avro schema: {type(error).__name__} at {error}") from error
    return Parsed(parsed, names)


def fingerprint(schema: Any) -> str:
    """SHA-256 of the schema as JSON without remarks (doc, class, column), keys sorted, no blanks.

    Unlike Avro's Parsing Canonical Form it covers defaults, aliases and logical types, which
    decide how others' values are read; so a published version can be better explained, but
    not changed.
    """
    text = json.dumps(_without_remarks(schema), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_logical_types(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: value for key, value in schema.items() if key not in {"logicalType", *_REMARKS}}
    for key in ("type", "items", "values"):
        if key in plain:
            plain[key] = _without_logical_types(plain[key])
    if isinstance(plain.get("fields"), list):
        plain["fields"] = [_without_logical_types(field) for field in plain["fields"]]
    # {"type": "long"} is "long": the plain form is quicker to read and write.
    bare = plain.keys() == {"type"} and isinstance(plain["type"], str)
    return plain["type"] if bare else plain


def _without_remarks(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_remarks(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value if key == "default" else _without_remarks(value)
        for key, value in schema.items()
        if key not in _REMARKS
    }
