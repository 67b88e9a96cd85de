"""What goes on the bus: a change in its envelope, a dead letter with its original bytes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from connectors.changes import Change, Dead
from hub.bus.contract import Headers
from hub.dead_letters import dead_letter_topic, kept, letter_headers
from hub.domains import DOMAINS
from hub.events import Heading, event_id, record_id
from hub.forces import Feed

Encode = Callable[[Mapping[str, Any]], bytes]

_DEAD_KEY = b"read:"
"""Begins the keys of a connector's dead letters; those of later stages lie in the same topic."""


class Message(NamedTuple):
    """One record for `Producer.send`; the timestamp is in milliseconds."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers
    timestamp: int | None


class Messages:
    """Makes the messages of one feed."""

    def __init__(self, feed: Feed, fields: Sequence[str], encode_event: Encode, encode_dead: Encode) -> None:
        self._feed = feed
        self._nulls: dict[str, Any] = dict.fromkeys(fields)
        self._encode_event = encode_event
        self._encode_dead = encode_dead
        self._id = id_prefix(feed)
        self._heading = Heading(f"/{feed.force}/{feed.system}", feed.topic)

    def event(self, change: Change, read_at: int) -> Message:
        """Encode a change. Raises `BadRecordError` where the schema cannot hold the row."""
        row, key, known = change
        name = self._id + key
        value = self._encode_event(
            {
                "record_id": name,
                "system": self._feed.system,
                "key": key,
                "source_version": known.version,
                "deleted": known.deleted,
                "read_at": read_at,
                "changed_at": row.changed_at,
                "source_position": row.place,
                "content_hash": known.hash,
                "absent": row.absent,
                "row": row.values if len(row.values) == len(self._nulls) else {**self._nulls, **row.values},
            }
        )
        subject = name.encode()
        time = read_at if row.changed_at is None else row.changed_at
        head = self._heading.of(event_id(name, known.version), time, subject)
        return Message(self._feed.topic, subject, value, head, time // 1000)

    def dead_letter(self, dead: Dead, at: int) -> Message:
        """Keep the original bytes; above 512 KiB their head, with length, SHA-256 and place."""
        refused, topic = dead.refused, dead_letter_topic(self._feed.topic)
        letter = {
            "stage": "read",
            "topic": self._feed.topic,
            "partition": -1,
            "offset": -1,
            "force": self._feed.force,
            "domain": self._feed.domain,
            "system": self._feed.system,
            "record_id": None if refused.key is None else self._id + refused.key,
            "error": "BadRecordError",
            "reason": refused.reason,
            "source_position": refused.place,
            "key": None,
            "value": None if refused.raw is None else kept(refused.raw),
            "columns": list(refused.columns),
            "length": refused.length,
            "sha256": refused.sha256,
            "at": at,
        }
        key, value = _DEAD_KEY + dead.id.hex().encode(), self._encode_dead(letter)
        return Message(topic, key, value, letter_headers(letter), at // 1000)


def id_prefix(feed: Feed) -> str:
    """What comes before the key in the record ids of a feed."""
    domain = DOMAINS[feed.domain]
    return record_id(domain.noun, feed.force, feed.system if domain.noun_has_system else None, "")


def id_of_dead_letter(key: bytes | None) -> bytes | None:
    """The id in a dead letter's key; None where a later stage wrote it."""
    if key is None or not key.startswith(_DEAD_KEY):
        return None
    return bytes.fromhex(key[len(_DEAD_KEY) :].decode())
