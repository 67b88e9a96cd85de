"""The newest version of a record wherever it is by now, so that a replay never overwrites it (invariant 4).

The store has applied the alliance topics up to its own offsets; what lies beyond them is read
from the bus. Alliance topics are compacted, and a rebuild reads what compaction left: so the
newest version must also be the last one on its topic, not only the one in the store.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hub.bus.contract import Bus, Consumer, Headers, Received
from hub.dead_letters.book import read_until
from hub.domains import DOMAINS
from hub.errors import BadRecordError
from hub.schema.codec import Codec
from hub.view.query import Query
from hub.view.store import Store

Version = tuple[float, float]
"""Source version and mapping version; an erasure is later than any."""

ERASED: Version = (float("inf"), float("inf"))


class Message(NamedTuple):
    """A record as it lies on an alliance topic."""

    version: Version
    value: bytes | None
    headers: Headers
    timestamp: int


class _Seen:
    """What was read of one record: the newest message, and the last one."""

    __slots__ = ("last", "newest")

    def __init__(self, message: Message) -> None:
        self.newest = self.last = message

    def add(self, message: Message) -> None:
        self.last = message
        if message.version >= self.newest.version:
            self.newest = message


class Newest:
    """Follows some records of one domain."""

    def __init__(self, bus: Bus, codec: Codec, store: Store, domain: str, record_ids: Iterable[str]) -> None:
        self._bus = bus
        self._topic = DOMAINS[domain].topic
        self._domain = domain
        self._decode = codec.decoder(self._topic)
        self._query = Query(store, codec)
        self._wanted = {record_id.encode() for record_id in record_ids}
        self._seen: dict[bytes, _Seen] = {}
        self._consumer = self._begin(store)

    def look(self) -> None:
        """Read to the end, past what was open in a transaction as of this call."""
        ends = self._bus.end_offsets([self._topic], and_open=True)
        for records in read_until(self._consumer, ends):
            for received in records:
                if received.key in self._wanted:
                    self._take(received)

    def version(self, record_id: str) -> Version | None:
        """The newest version there is; None where there is none. Call `look` before."""
        seen = self._seen.get(record_id.encode())
        on_bus = None if seen is None else seen.newest.version
        found = self._query.get(self._domain, record_id)
        in_store = None if found is None else version_of(found.record)
        return max((v for v in (on_bus, in_store) if v is not None), default=None)

    def passed(self, record_id: str) -> Message | None:
        """The newest message of a record, where it is not the last of its topic; else None."""
        seen = self._seen.get(record_id.encode())
        return seen.newest if seen is not None and seen.last.version < seen.newest.version else None

    def close(self) -> None:
        self._consumer.close()

    def _begin(self, store: Store) -> Consumer:
        kept = store.kept([self._topic])
        consumer = self._bus.consumer([self._topic], group=None)
        for partition in consumer.assignment():
            if partition in kept:
                consumer.seek(partition, kept[partition].next_offset)
        return consumer

    def _take(self, received: Received) -> None:
        assert received.key is not None
        version = ERASED if received.value is None else self._version(received.value)
        if version is None:
            return
        message = Message(version, received.value, tuple(received.headers), received.timestamp)
        if (seen := self._seen.get(received.key)) is None:
            self._seen[received.key] = _Seen(message)
        else:
            seen.add(message)

    def _version(self, value: bytes) -> Version | None:
        """None for what the view cannot read either: it sets that aside, and nothing is overwritten."""
        try:
            return version_of(self._decode(value))
        except BadRecordError:
            return None


def version_of(record: Mapping[str, Any]) -> Version:
    return record["source_version"], record["mapping_version"]
