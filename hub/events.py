"""Record ids, message keys and CloudEvents headers: how an event is named on the bus."""

import datetime as dt
import hashlib
import uuid
from functools import lru_cache
from urllib.parse import quote

NAMESPACE = uuid.UUID("5f1c7d0e-2f5a-5c6b-9d0e-8a4b3c2d1e0f").bytes
"""UUID namespace of every `ce_id` (RFC 9562, version 5). Never changes: ids must repeat."""

_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()

CONTENT_TYPE = b"application/vnd.confluent.avro"


def source_key(*parts: str) -> str:
    """Join the parts of a source's own key, each percent-encoded, with colons (RFC 8141)."""
    return ":".join(quote(part, safe="-._~") for part in parts)


def record_id(noun: str, force: str, system: str | None, key: str) -> str:
    """Name a record for good: `urn:alliance:incident:<force>:<system>:<key>`.

    `system` is None where the key is unique within the force (staff numbers).
    """
    middle = f"{force}:{system}" if system else force
    return f"urn:alliance:{noun}:{middle}:{key}"


def event_id(record: str, source_version: int, mapping_version: int | None = None) -> str:
    """Make the `ce_id`: the same change always has the same id (invariant 3)."""
    name = (
        f"{record}#{source_version}"
        if mapping_version is None
        else f"{record}#{source_version}.{mapping_version}"
    )
    digest = bytearray(hashlib.sha1(NAMESPACE + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@lru_cache(maxsize=1024)  # the rows of one reading share their time
def iso_micros(micros: int) -> str:
    """Write microseconds since 1970 UTC as RFC 3339 with a Z."""
    seconds, rest = divmod(micros, 1_000_000)
    return f"{_iso_second(seconds)}.{rest:06}Z"


@lru_cache(maxsize=4096)  # changes of one second share it
def _iso_second(seconds: int) -> str:
    days, second = divmod(seconds, 86_400)
    date = dt.date.fromordinal(_EPOCH_ORDINAL + days)
    return f"{date.isoformat()}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def headers(
    *, ce_id: str, source: bytes, kind: bytes, time_micros: int, subject: bytes, trace: bytes | None = None
) -> list[tuple[str, bytes]]:
    """Make the CloudEvents 1.0 headers of Kafka's binary mode; `subject` is the record id."""
    result = [
        ("ce_specversion", b"1.0"),
        ("ce_id", ce_id.encode()),
        ("ce_source", source),
        ("ce_type", kind),
        ("ce_time", iso_micros(time_micros).encode()),
        ("ce_subject", subject),
        ("content-type", CONTENT_TYPE),
    ]
    if trace is not None:
        result.append(("traceparent", trace))
    return result
