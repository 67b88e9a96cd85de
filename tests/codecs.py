"""Codecs of schemas that a test makes."""

from typing import Any

from hub.forces import SCHEMAS
from hub.schema.avsc import parse
from hub.schema.codec import Codec
from hub.schema.index import SchemaVersion
from hub.schema.registry import Registry


def codec_of(*versions: Any, topic: str = "t") -> Codec:
    """A codec of one subject with these versions, ids from 1."""
    return Codec(
        Registry(
            [
                SchemaVersion(number, f"{topic}-value", number, SCHEMAS / "t" / f"t{number}.avsc", schema)
                for number, schema in enumerate(versions, 1)
            ],
            [topic],
        )
    )


def plain(schema: Any) -> Any:
    """A schema without logical types, in which an instant is a whole number."""
    return parse(schema).schema


def record(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields), **more}
