"""Java's default partitioner, so that our keys lie where those of any Kafka client lie."""

from collections.abc import Sequence
from functools import lru_cache
from struct import unpack, unpack_from

_SEED = 0x9747B28C
_MIX = 0x5BD1E995
_WORD = 0xFFFFFFFF
_HEAD = 32
"""Bytes with which the keys of one feed begin alike: what they come to is worked out once."""


def murmur2(data: bytes) -> int:
    """Hash as `org.apache.kafka.common.utils.Utils.murmur2` does, as an unsigned 32-bit number."""
    h, at = _SEED ^ len(data), 0
    if len(data) >= _HEAD:
        h, at = _mix_head(h, data[:_HEAD]), _HEAD
    words, rest = divmod(len(data) - at, 4)
    h = _mix(h, unpack_from(f"<{words}I", data, at))
    if rest:
        h = (h ^ int.from_bytes(data[-rest:], "little")) * _MIX & _WORD
    h = (h ^ h >> 13) * _MIX & _WORD
    return h ^ h >> 15


@lru_cache(maxsize=1024)
def _mix_head(h: int, head: bytes) -> int:
    return _mix(h, unpack(f"<{_HEAD // 4}I", head))


def _mix(h: int, words: Sequence[int]) -> int:
    for word in words:
        k = word * _MIX & _WORD
        k = (k ^ k >> 24) * _MIX & _WORD
        h = h * _MIX & _WORD ^ k
    return h


def partition_of(key: bytes, partitions: int) -> int:
    """Choose the partition of a key: the same one that Java's default partitioner chooses."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
