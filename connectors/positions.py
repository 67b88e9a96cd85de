"""Where reading goes on and what has been counted so far: entries of `<force>.positions.v1`.

`!held` and `!accepted` are the two halves of a held removal: what the connector asks, and what
a person answered.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from connectors.source import Position
from hub.bus.contract import Bus
from hub.forces import Feed
from hub.metrics import READ_OUTCOMES
from hub.positions import ACCEPTED, HELD, SUMMARY, entry_key, read_entries
from hub.schema.codec import Codec

Entry = tuple[bytes, bytes | None]


class Positions:
    """What the bus holds of one feed, read once; then what is being written."""

    def __init__(self, feed: Feed, bus: Bus, codec: Codec) -> None:
        self._feed = feed
        self._encode = codec.encoder(feed.positions_topic)
        self._decode = codec.decoder(feed.positions_topic)
        kept = read_entries(bus, self._decode, feed)
        summary = kept.pop(SUMMARY, {})
        self.counts = {name: int(summary.get("counts", {}).get(name, 0)) for name in READ_OUTCOMES}
        self.complete_to: int | None = summary.get("complete_to")
        self.kept: dict[str, Any] = {name: json.loads(entry["value"]) for name, entry in kept.items()}

    @property
    def position(self) -> Position:
        """The source's own names."""
        return {name: value for name, value in self.kept.items() if not name.startswith("!")}

    def position_of(self, under: str) -> Position:
        """Another position, whose names begin with `under`."""
        return {n.removeprefix(under): value for n, value in self.kept.items() if n.startswith(under)}

    def taken_out(self, under: str) -> dict[str, Any]:
        """The entries whose names begin with `under`, which are from now on kept by who takes them."""
        names = [name for name in self.kept if name.startswith(under)]
        return {name.removeprefix(under): self.kept.pop(name) for name in names}

    def key(self, name: str) -> bytes:
        return entry_key(self._feed, name)

    def summary(self, at: int) -> Entry:
        return self._entry(SUMMARY, None, at, self.complete_to, self.counts)

    def change(self, position: Position, at: int) -> Iterator[Entry]:
        """Take in a position; gives the entries that differ. A name that is gone is forgotten."""
        lasting = {name: value for name, value in position.items() if not name.startswith("~")}
        return self._change(self.position, lasting, at)

    def change_of(self, under: str, position: Position, at: int) -> Iterator[Entry]:
        """Take in another position, with the names that begin with `~`."""
        lasting = {under + name: value for name, value in position.items()}
        return self._change([under + name for name in self.position_of(under)], lasting, at)

    def _change(self, before: Iterable[str], lasting: Position, at: int) -> Iterator[Entry]:
        for name in [name for name in before if name not in lasting]:
            yield self.forget(name)
        for name, value in lasting.items():
            if name not in self.kept or self.kept[name] != value:
                yield self.put(name, value, at)

    def put(self, name: str, value: Any, at: int) -> Entry:
        self.kept[name] = value
        return self._entry(name, value, at)

    def entry(self, name: str, value: Any, at: int) -> Entry:
        """An entry that somebody else keeps; without a value it is forgotten on the bus."""
        return (self.key(name), None) if value is None else self._entry(name, value, at)

    def forget(self, name: str) -> Entry:
        self.kept.pop(name, None)
        return self.key(name), None

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take in an entry that another process wrote."""
        for name in (HELD, ACCEPTED):
            if key == self.key(name):
                self.kept.pop(name, None)
                if value is not None:
                    self.kept[name] = json.loads(self._decode(value)["value"])

    def _entry(
        self,
        name: str,
        value: Any,
        at: int,
        complete_to: int | None = None,
        counts: Mapping[str, int] | None = None,
    ) -> Entry:
        text = json.dumps(value)
        return self.key(name), encode_entry(self._encode, self._feed, name, text, at, complete_to, counts)


def encode_entry(
    encode: Callable[[Mapping[str, Any]], bytes],
    feed: Feed,
    name: str,
    text: str,
    at: int,
    complete_to: int | None = None,
    counts: Mapping[str, int] | None = None,
) -> bytes:
    """One entry as it goes on the bus; `text` is the JSON of its value."""
    return encode(
        {
            "force": feed.force,
            "domain": feed.domain,
            "system": feed.system,
            "name": name,
            "value": text,
            "complete_to": complete_to,
            "counts": counts or {},
            "at": at,
        }
    )
