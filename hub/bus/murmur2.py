"""Java's default partitioner, so that our keys lie where those of any Kafka client lie."""

from struct import unpack_from

_SEED = 0x9747B28C
_MIX = 0x5BD1E995
_WORD = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Hash as `org.apache.kafka.common.utils.Utils.murmur2` does, as an unsigned 32-bit number."""
    words, rest = divmod(len(data), 4)
    h = _SEED ^ len(data)
    for word in unpack_from(f"<{words}I", data):
        k = word * _MIX & _WORD
        k = (k ^ k >> 24) * _MIX & _WORD
        h = h * _MIX & _WORD ^ k
    if rest:
        h = (h ^ int.from_bytes(data[-rest:], "little")) * _MIX & _WORD
    h = (h ^ h >> 13) * _MIX & _WORD
    return h ^ h >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """Choose the partition of a key: the same one that Java's default partitioner chooses."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
