"""`<force>.positions.v1` as anyone may read it: where each connector is, what it counted, what it does.

An entry is keyed `<domain>/<system>/<name>`: each name of a source's position is one, '' holds the
counts and `complete_to`, and names that begin with `!` are the loop's own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hub.bus.contract import Bus
from hub.forces import Feed

SUMMARY = ""
HELD = "!held"
ACCEPTED = "!accepted"
STATE = "!state"
BACKFILL = "!backfill"
BACKFILL_AT = "!backfill/at/"
"""Begins the names of the position of a backfill's own reading."""

BACKFILL_ROWS = "!backfill/rows/"
"""Begins the names of what a backfill has yet to take: of use to its connector alone."""

AGAIN = "!again"
"""The source is being read again from an earlier position, as `positions reset` left it."""


def entry_key(feed: Feed, name: str) -> bytes:
    return f"{feed.domain}/{feed.system}/{name}".encode()


def read_entries(bus: Bus, decode: Callable[[bytes], Mapping[str, Any]], feed: Feed) -> dict[str, Any]:
    """The newest entry of each name of a feed, decoded; forgotten ones are absent."""
    newest = {received.key: received.value for received in bus.read_all(feed.positions_topic)}
    return newest_entries(newest, decode, feed)


def newest_entries(
    newest: Mapping[bytes | None, bytes | None], decode: Callable[[bytes], Mapping[str, Any]], feed: Feed
) -> dict[str, Any]:
    """Those of a feed among the newest records of its topic, by name."""
    prefix = entry_key(feed, "")
    return {
        key[len(prefix) :].decode(): decode(value)
        for key, value in newest.items()
        if key is not None and value is not None and key.startswith(prefix)
    }
