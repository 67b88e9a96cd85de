"""Sorts what was polled: records to apply, keys to erase, records to set aside."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.bus.contract import Received, TopicPartition
from hub.domains import DOMAINS
from hub.errors import BadRecordError, NewerSchemaError, SourceChangedError
from hub.schema.codec import Codec
from hub.view.dead_letters import Dead
from hub.view.plan import change_taker
from hub.view.session import Batch

UNKNOWN_FORCE = "unknown"
WINDOW = 100

Erased = Mapping[tuple[TopicPartition, bytes | None], int]
"""The offset of the last order to erase each record."""


@dataclass(slots=True)
class Sorted:
    """Batches in the order in which they must be applied, dead letters, and the next offsets."""

    batches: list[Batch] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    reached: dict[TopicPartition, int] = field(default_factory=dict)


class Intake:
    """Decodes what is polled from the alliance topics.

    `erased` says of records where the last order to erase them lies: a replay leaves out what is before it.
    """

    def __init__(self, codec: Codec, forces: Sequence[str], erased: Erased) -> None:
        self._forces = frozenset(forces)
        self._erased = erased
        self._domains = {domain.topic: domain.name for domain in DOMAINS.values()}
        self._decoders: dict[str, Callable[[bytes | None], dict[str, Any]]] = {
            topic: codec.decoder(topic) for topic in self._domains
        }
        self._takers = {domain.topic: change_taker(domain) for domain in DOMAINS.values()}
        self._window: deque[tuple[int, int]] = deque()

    def sort(
        self,
        received: Sequence[Received],
        counted_to: Mapping[TopicPartition, int],
        kept: Mapping[TopicPartition, int],
    ) -> Sorted:
        """Decode and group by domain.

        What is delivered once more, before the offset `kept`, is left out: it would take the
        offset back and be counted again. What lies before `counted_to` is replayed and comes
        first, since in each partition it does. Raises `SourceChangedError` where most of the last
        hundred are bad (invariant 7), and before one in a schema of a newer release.
        """
        result, bad = Sorted(), list[Dead]()
        replayed, counted = _Group(counted=False), _Group(counted=True)
        reached: dict[TopicPartition, int] = {}
        for record in received:
            partition = TopicPartition(record.topic, record.partition)
            if record.offset < (reached.get(partition) or kept.get(partition, 0)):
                continue
            reached[partition] = record.offset + 1
            group = counted if record.offset >= counted_to.get(partition, 0) else replayed
            if group is replayed and record.offset < self._erased.get((partition, record.key), 0):
                continue
            domain = self._domains[record.topic]
            try:
                self._take(record, domain, group)
            except NewerSchemaError as error:
                raise SourceChangedError(
                    f"Offset {record.offset} of {record.topic}-{record.partition} {error}. The view stops "
                    "before it, sets nothing aside, and goes on by itself then."
                ) from error
            except BadRecordError as error:
                bad.append(Dead(record, self._force(record.key), domain, error))
                group.batch(domain).dead_lettered[bad[-1].force] += 1
                if group is counted:  # the others were set aside when they first came
                    result.dead.append(bad[-1])
        self._check(len(received), bad)
        result.batches, result.reached = replayed.batches + counted.batches, reached
        return result

    def forget(self) -> None:
        """Begin a new window: what was seen comes again, and must not be held against it twice."""
        self._window.clear()

    def _take(self, record: Received, domain: str, group: "_Group") -> None:
        value, key = record.value, record.key
        if value is None and key is not None:
            if b"\0" in key:
                raise BadRecordError("erases a key with a NUL character, which no record has")
            group.erase(domain, key, self._force(key))
            return
        decoded = self._decoders[record.topic](value)
        record_id = decoded["id"]
        if key != record_id.encode():
            raise BadRecordError("has a key that is not its id; it must be written by the hub's normaliser")
        if "\0" in record_id or "\0" in decoded["force"]:
            raise BadRecordError("has a NUL character in its id or force; mend its source's key")
        assert value is not None
        group.batch(domain).changes.append(self._takers[record.topic](decoded, value))

    def _force(self, key: bytes | None) -> str:
        """The force in a record id, `urn:alliance:<noun>:<force>:…`, if it is one of ours."""
        parts = (key or b"").decode("utf-8", "replace").split(":", 4)
        return parts[3] if len(parts) > 3 and parts[3] in self._forces else UNKNOWN_FORCE

    def _check(self, total: int, dead: Sequence[Dead]) -> None:
        window = self._window
        window.append((total, len(dead)))
        while sum(n for n, _ in window) - window[0][0] >= WINDOW:
            window.popleft()
        seen, bad = (sum(column) for column in zip(*window, strict=True))
        if dead and seen >= WINDOW and bad * 2 > seen:
            first = dead[0]
            raise SourceChangedError(
                f"{bad} of the last {seen} records of the alliance topics cannot be used, such as offset "
                f"{first.received.offset} of {first.received.topic}-{first.received.partition}, which "
                f"{first.error}. That is a changed writer rather than bad records, so the view stops before "
                "them. Bring the schemas and the normaliser to the same version, and start again."
            )


class _Group:
    """Batches that are counted alike; an erasure ends the batch of its domain."""

    def __init__(self, *, counted: bool) -> None:
        self.batches: list[Batch] = []
        self._counted = counted
        self._open: dict[str, Batch] = {}

    def batch(self, domain: str) -> Batch:
        batch = self._open.get(domain)
        if batch is None:
            batch = Batch(domain, dead_lettered=Counter(), counted=self._counted)
            self._open[domain] = batch
            self.batches.append(batch)
        return batch

    def erase(self, domain: str, key: bytes, force: str) -> None:
        batch = self.batch(domain)
        batch.erased.append(key.decode("utf-8", "replace"))
        batch.erasures[force] += 1
        del self._open[domain]
