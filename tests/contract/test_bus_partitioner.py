"""Keys lie where those of Java's own clients lie."""

import pytest

from hub.bus.murmur2 import murmur2, partition_of

# From the tests of Apache Kafka's own `Utils.murmur2`, as signed numbers.
VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "signed"), VECTORS.items())
def test_the_hash_equals_javas_murmur2(key: bytes, signed: int):
    assert murmur2(key) == signed & 0xFFFFFFFF


def test_the_sign_is_dropped_before_the_remainder_as_java_does():
    assert partition_of(b"21", 6) == (-973932308 & 0x7FFFFFFF) % 6
