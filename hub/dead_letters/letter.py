"""Making a dead letter: the original bytes, the reason, and where both are from (invariant 6)."""

import hashlib
from typing import Any

from hub.bus.contract import Received
from hub.errors import BadRecordError

LONGEST_BYTES = 512 * 1024
HEAD_BYTES = 64 * 1024


def dead_letter_topic(topic: str) -> str:
    """Where records that could not be written to a topic, or read from it, are set aside."""
    return f"{topic}.dlq"


def kept(original: bytes) -> bytes:
    """What a dead letter keeps of the original: all of it; above 512 KiB its head."""
    return original if len(original) <= LONGEST_BYTES else original[:HEAD_BYTES]


def dead_letter_key(stage: str, received: Received) -> bytes:
    """The same letter has the same key, however often it is written (invariant 3)."""
    return f"{stage}:{received.partition}:{received.offset}".encode()


def dead_letter(
    stage: str, received: Received, error: BadRecordError, at: int, *, force: str, domain: str, system: str
) -> dict[str, Any]:
    """Make the letter of a record read from the bus; `at` is in microseconds UTC."""
    original = received.value or b""
    return {
        "stage": stage,
        "topic": received.topic,
        "partition": received.partition,
        "offset": received.offset,
        "force": force,
        "domain": domain,
        "system": system,
        "record_id": _record_id(received.key),
        "error": type(error).__name__,
        "reason": str(error),
        "source_position": f"{received.topic}, partition {received.partition}, offset {received.offset}",
        "key": received.key,
        "value": kept(original),
        "columns": [],
        "length": len(original),
        "sha256": hashlib.sha256(original).hexdigest(),
        "at": at,
    }


def _record_id(key: bytes | None) -> str | None:
    if key is None or not key.startswith(b"urn:"):
        return None
    return key.decode("utf-8", "replace")
