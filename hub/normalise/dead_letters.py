"""Dead letters of the normaliser: the original bytes and the reason."""

import hashlib
from typing import Any

from hub.bus.contract import Received
from hub.errors import BadRecordError
from hub.forces import Feed

LONGEST_BYTES = 512 * 1024
HEAD_BYTES = 64 * 1024


def dead_letter_topic(feed: Feed) -> str:
    return f"{feed.topic}.dlq"


def dead_letter_key(received: Received) -> bytes:
    """The same letter has the same key, however often it is written (invariant 3)."""
    return f"normalise:{received.partition}:{received.offset}".encode()


def dead_letter(feed: Feed, received: Received, error: BadRecordError, at_micros: int) -> dict[str, Any]:
    """Keep the original; above 512 KiB its head, with length and SHA-256."""
    original = received.value or b""
    return {
        "stage": "normalise",
        "topic": received.topic,
        "partition": received.partition,
        "offset": received.offset,
        "force": feed.force,
        "domain": feed.domain,
        "system": feed.system,
        "record_id": _record_id(received.key),
        "error": type(error).__name__,
        "reason": str(error),
        "source_position": f"{received.topic}, partition {received.partition}, offset {received.offset}",
        "key": received.key,
        "value": original if len(original) <= LONGEST_BYTES else original[:HEAD_BYTES],
        "length": len(original),
        "sha256": hashlib.sha256(original).hexdigest(),
        "at": at_micros,
    }


def _record_id(key: bytes | None) -> str | None:
    if key is None or not key.startswith(b"urn:"):
        return None
    return key.decode("utf-8", "replace")
