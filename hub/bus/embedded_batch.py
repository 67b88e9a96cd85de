"""The embedded bus's batch: many records of one partition in one row, column by column.

A row a record would cost a call into SQLite each, and each call gives up the interpreter's
lock; in a busy process that is milliseconds a record. A batch costs one. Its records are
immutable, its offsets ascend, and gaps in them are where compaction took records out.

    count  u32 | offset less the first u32 x count | timestamp i64 x count
    length of key, headers, value i32 x count each (-1: null) | keys | headers | values
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from struct import Struct, pack, unpack_from
from typing import NamedTuple, overload

from hub.bus.contract import Headers

BATCH_BYTES = 1024 * 1024
BATCH_RECORDS = 2000

_COUNT = Struct("<I")
_NULL = -1


class PackedHeaders(Sequence[tuple[str, bytes]]):
    """Headers as they lie in a batch; they are unpacked when one is asked for, not to be counted."""

    __slots__ = ("_packed",)

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return _COUNT.unpack_from(self._packed)[0] if self._packed else 0

    @overload
    def __getitem__(self, index: int) -> tuple[str, bytes]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[str, bytes]]: ...
    def __getitem__(self, index: int | slice) -> tuple[str, bytes] | list[tuple[str, bytes]]:
        return unpack_headers(self._packed)[index]

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return iter(unpack_headers(self._packed))

    def may_have(self, name: str) -> bool:
        """Whether a header of this name can be among them; they are not unpacked for that."""
        return name.encode() in self._packed


class Record(NamedTuple):
    """A record as read."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    packed_headers: bytes

    @property
    def headers(self) -> Headers:
        return PackedHeaders(self.packed_headers)


class Entry(NamedTuple):
    """A record on its way into a batch; `offset` may count from anywhere."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: bytes

    @property
    def size(self) -> int:
        return len(self.key or b"") + len(self.value or b"") + len(self.headers)


def pack_batch(entries: Sequence[Entry]) -> bytes:
    offsets, timestamps, keys, values, headers = zip(*entries, strict=True)
    first, n = offsets[0], len(entries)
    columns = pack(
        f"<I{n}I{n}q{3 * n}i",
        n,
        *(offset - first for offset in offsets),
        *timestamps,
        *(_NULL if key is None else len(key) for key in keys),
        *map(len, headers),
        *(_NULL if value is None else len(value) for value in values),
    )
    return b"".join((columns, *filter(None, keys), *headers, *filter(None, values)))


def unpack_batch(topic: str, partition: int, first: int, body: bytes) -> list[Record]:
    (n,) = _COUNT.unpack_from(body)
    columns = unpack_from(f"<{n}I{n}q{3 * n}i", body, _COUNT.size)
    keys, headers, values = columns[2 * n : 3 * n], columns[3 * n : 4 * n], columns[4 * n :]
    key_at = _COUNT.size + n * (4 + 8 + 3 * 4)
    header_at = key_at + sum(keys) + keys.count(_NULL)
    value_at = header_at + sum(headers)
    make, new = tuple.__new__, Record
    records: list[Record] = []
    for delta, timestamp, k, h, v in zip(columns[:n], columns[n : 2 * n], keys, headers, values, strict=True):
        key = value = None
        if k != _NULL:
            key = body[key_at : (key_at := key_at + k)]
        if v != _NULL:
            value = body[value_at : (value_at := value_at + v)]
        packed = body[header_at : (header_at := header_at + h)]
        records.append(make(new, (topic, partition, first + delta, timestamp, key, value, packed)))
    return records


def split(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Cut a partition's records into batches of about `BATCH_BYTES`; a larger record is alone."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        if batch and (size + entry.size > BATCH_BYTES or len(batch) == BATCH_RECORDS):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry.size
    if batch:
        yield batch


def pack_headers(headers: Headers) -> bytes:
    if not headers:
        return b""
    names, values = zip(*headers, strict=True)
    lengths, head = _names(names)
    return b"".join((head, lengths.pack(*map(len, values)), *values))


def unpack_headers(packed: bytes) -> list[tuple[str, bytes]]:
    if not packed:
        return []
    count, size = _HEAD.unpack_from(packed)
    at = _HEAD.size + size
    lengths = _lengths(count).unpack_from(packed, at)
    at += 4 * count
    names = packed[_HEAD.size : _HEAD.size + size].decode().split("\0")
    return [(name, packed[at : (at := at + length)]) for name, length in zip(names, lengths, strict=True)]


_HEAD = Struct("<II")


@lru_cache(256)  # header names come in few combinations; a bound, should they ever not
def _names(names: tuple[str, ...]) -> tuple[Struct, bytes]:
    text = "\0".join(names).encode()
    return _lengths(len(names)), _HEAD.pack(len(names), len(text)) + text


@cache
def _lengths(count: int) -> Struct:
    return Struct(f"<{count}I")
