"""A row of stage read on its way back to its connector, which alone gives versions and publishes.

here   ─▶  wish `replay/<letter>` on `<force>.control.v1`  ─▶  the connector's loop
here   ◀─  the same entry with its `answer`                ◀─  in the events' transaction
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from hub.bus.contract import Bus
from hub.control import REPLAY, Wish
from hub.domains import DOMAINS
from hub.errors import BadRecordError
from hub.events import record_id
from hub.forces import Feed
from hub.schema.codec import Codec

PUBLISHED, UNCHANGED, STALE, FAILED = "published", "unchanged", "stale", "failed"


class ParsedRow(NamedTuple):
    """A row as its source's own parser reads it; `values` under the names of the force's schema."""

    key: str | None
    values: Mapping[str, Any]
    version: int | None
    removed: bool


class Form(StrEnum):
    """What the bytes of a row are."""

    ORIGINAL = "original"
    EDITED = "edited"
    """Columns as JSON, in the original's place."""
    LOOSE = "loose"
    """The original, of which only the columns are asked, whatever else is wrong with it."""


ParseRow = Callable[[Feed, Mapping[str, Any], bytes, Form], ParsedRow]
"""Reads the row of a letter of stage read: feed, letter, bytes and their form. `BadRecordError` where
it cannot be read."""


class Answer(NamedTuple):
    """What the connector made of a row: published, unchanged, stale or failed, and why."""

    outcome: str
    why: str = ""


def wish_value(about: Mapping[str, Any], value: bytes, *, edited: bool) -> dict[str, Any]:
    """What the connector needs of a letter: the bytes, and where they are from."""
    told = {name: about[name] for name in ("source_position", "columns", "at") if name in about}
    return {"value": base64.b64encode(value).decode(), "edited": edited, "about": told}


def asked_value(wish: Wish) -> tuple[Mapping[str, Any], bytes, Form]:
    """A letter, its bytes and their form, as `wish_value` had them."""
    form = Form.EDITED if wish.value["edited"] else Form.ORIGINAL
    return wish.value["about"], base64.b64decode(wish.value["value"]), form


def answer_of(wish: Wish) -> Answer | None:
    """The connector's answer; None while it has not given one."""
    told = wish.value.get("answer")
    return None if told is None else Answer(told["outcome"], told["why"])


def answered(answer: Answer) -> dict[str, Any]:
    """The value of an answered wish. The row is no longer in it."""
    return {"answer": {"outcome": answer.outcome, "why": answer.why}}


def letter_of(wish: Wish) -> str:
    return wish.name.removeprefix(REPLAY)


def id_of(feed: Feed, key: str) -> str:
    domain = DOMAINS[feed.domain]
    return record_id(domain.noun, feed.force, feed.system if domain.noun_has_system else None, key)


def refuse_misfit(feed: Feed, codec: Codec, row: ParsedRow) -> str:
    """Return a row's key; `BadRecordError` where it has none, or the force's schema cannot hold it."""
    if row.key is None:
        raise BadRecordError("The row states no key; give it one with `dlq edit`.")
    codec.encoder(feed.topic)(
        {
            "record_id": id_of(feed, row.key),
            "system": feed.system,
            "key": row.key,
            "source_version": 1,
            "deleted": row.removed,
            "read_at": 0,
            "changed_at": None,
            "source_position": "",
            "content_hash": bytes(16),
            "absent": [],
            "row": {**dict.fromkeys(_row_fields(codec, feed)), **row.values},
        }
    )
    return row.key


def newest_events(bus: Bus, codec: Codec, feed: Feed, keys: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """The newest event that was published of each of these keys."""
    wanted = {id_of(feed, key).encode(): key for key in keys}
    if not wanted:
        return {}
    last = {r.key: r.value for r in bus.read_all(feed.topic) if r.key in wanted}
    decode = codec.decoder(feed.topic)
    return {
        wanted[key]: decode(value) for key, value in last.items() if key is not None and value is not None
    }


def overtaken(row: ParsedRow, at: int, event: Mapping[str, Any] | None) -> bool:
    """Whether a row set aside at an instant is older than what was published of its key (invariant 4).

    By the source's own version where it states one; else by which was read first, and a row
    read in the same batch as a published one counts as older.
    """
    if event is None:
        return False
    if row.version is not None:
        return bool(event["source_version"] >= row.version)
    return bool(event["read_at"] >= at)


def _row_fields(codec: Codec, feed: Feed) -> list[str]:
    schema = codec.registry.newest(f"{feed.topic}-value").schema
    row = next(field["type"] for field in schema["fields"] if field["name"] == "row")
    return [field["name"] for field in row["fields"]]
