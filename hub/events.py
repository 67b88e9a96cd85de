"""Record ids, message keys and CloudEvents headers: how an event is named on the bus."""

import datetime as dt
import hashlib
import uuid
from urllib.parse import quote

NAMESPACE = uuid.UUID("5f1c7d0e-2f5a-5c6b-9d0e-8a4b3c2d1e0f").bytes
"""UUID namespace of every `ce_id` (RFC 9562, version 5). Never changes: ids must repeat."""

_NAMESPACE_HASHED = hashlib.sha1(NAMESPACE, usedforsecurity=False)

CONTENT_TYPE = b"application/vnd.confluent.avro"

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}

_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()
_MINUTES = [f"T{minute // 60:02}:{minute % 60:02}:" for minute in range(1440)]
_SECONDS = [f"{second:02}." for second in range(60)]

CALENDAR = range(-62_135_596_800_000_000, 253_402_300_800_000_000)
"""The microseconds since 1970 UTC that have a date: the years 1 to 9999."""

_MOST_DAYS = 4096

_VERSION = ("ce_specversion", b"1.0")
_CONTENT = ("content-type", CONTENT_TYPE)


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
    made = _NAMESPACE_HASHED.copy()  # at less than beginning a hash anew costs
    made.update(name.encode())
    text = made.hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


class _Days(dict[int, str]):
    """The date of each day since 1970 that was asked for."""

    def __missing__(self, day: int) -> str:
        if len(self) >= _MOST_DAYS:
            self.clear()
        result = self[day] = dt.date.fromordinal(_EPOCH_ORDINAL + day).isoformat()
        return result


_DAYS = _Days()


def iso_micros(micros: int) -> str:
    """Write microseconds since 1970 UTC as RFC 3339 with a Z."""
    seconds, rest = divmod(micros, 1_000_000)
    minutes, second = divmod(seconds, 60)
    day, minute = divmod(minutes, 1440)
    return f"{_DAYS[day]}{_MINUTES[minute]}{_SECONDS[second]}{rest:06}Z"


class Heading:
    """Makes the CloudEvents 1.0 headers of Kafka's binary mode, for events of one source and kind."""

    def __init__(self, source: str, kind: str) -> None:
        self._source = ("ce_source", source.encode())
        self._kind = ("ce_type", kind.encode())

    def of(
        self, event: str, time_micros: int, subject: bytes, trace: bytes | None = None
    ) -> list[tuple[str, bytes]]:
        """Give the headers of the event with this id; `subject` is the record id."""
        made = [
            _VERSION,
            ("ce_id", event.encode()),
            self._source,
            self._kind,
            ("ce_time", iso_micros(time_micros).encode()),
            ("ce_subject", subject),
            _CONTENT,
        ]
        if trace is not None:
            made.append(("traceparent", trace))
        return made
