"""Avro's numbers: zigzag, seven bits a byte, least first.

Pairs of bytes come from tables, since a loop over bits costs five times as much in Python.
"""

import struct


class MalformedError(ValueError):
    """Bytes that no writer of Avro makes; the message never holds a value."""


def _plain(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


LAST = [_plain(number) for number in range(1 << 14)]
"""Fourteen bits that end a number."""

PAIR = [bytes((number & 127 | 128, number >> 7 | 128)) for number in range(1 << 14)]
"""Fourteen bits with more to follow."""

LENGTHS = LAST[::2]
"""Lengths up to 8,191, encoded."""

PRESENT = [b"\x02" + length for length in LENGTHS]
"""The same, after the union index of `["null", "string"]`."""

SHORT = [0 if byte > 127 or byte & 1 else (byte >> 1) + 1 for byte in range(256)]
"""By first byte: how far a text or blob with its length reaches; 0 where more must be looked at."""

SMALL = [(byte >> 1) ^ -(byte & 1) for byte in range(128)]
"""By only byte: the number it means."""

_NEVER = -1 << 60


def _two_bytes(*, last: bool) -> list[int]:
    """By two bytes as a little-endian number: the fourteen bits they carry; `_NEVER` where they cannot."""
    table = [_NEVER] * (1 << 16)
    for low in range(128):
        for high in range(128):
            table[low | 128 | (high if last else high | 128) << 8] = low | high << 7
    return table


_MORE = _two_bytes(last=False)
_END = _two_bytes(last=True)
_four_pairs = struct.Struct("<4H").unpack_from


def encode_long(number: int) -> bytes:
    """Encode a 64-bit integer; TypeError for anything else, True and False among it."""
    if number.__class__ is not int:
        raise TypeError
    bits = number << 1 if number >= 0 else ~(number << 1)
    if bits < 1 << 14:
        return LAST[bits]
    if bits < 1 << 28:
        return PAIR[bits & 16383] + LAST[bits >> 14]
    if bits < 1 << 42:
        return PAIR[bits & 16383] + PAIR[bits >> 14 & 16383] + LAST[bits >> 28]
    if bits < 1 << 56:
        return PAIR[bits & 16383] + PAIR[bits >> 14 & 16383] + PAIR[bits >> 28 & 16383] + LAST[bits >> 42]
    if bits >> 64:
        raise OverflowError
    return _plain(bits)


def encode_int(number: int) -> bytes:
    """Encode a 32-bit integer."""
    if number.__class__ is int and 0 <= number < len(LENGTHS):
        return LENGTHS[number]
    encoded = encode_long(number)
    if not -0x8000_0000 <= number <= 0x7FFF_FFFF:
        raise OverflowError
    return encoded


def decode_long(value: bytes, at: int) -> tuple[int, int]:
    """Read the number at a place; give it and the place after it."""
    first = value[at]
    if first < 128:
        return SMALL[first], at + 1
    second = value[at + 1]
    if second < 128:
        bits = first - 128 | second << 7
        return (bits >> 1) ^ -(bits & 1), at + 2
    third = value[at + 2]
    if third < 128:
        bits = first - 128 | second - 128 << 7 | third << 14
        return (bits >> 1) ^ -(bits & 1), at + 3
    if at + 8 <= len(value):
        a, b, c, d = _four_pairs(value, at)
        bits = _MORE[a] + (_MORE[b] << 14) + (_MORE[c] << 28) + (_END[d] << 42)
        if bits >= 0:  # eight bytes: an instant after 1978, in microseconds
            return (bits >> 1) ^ -(bits & 1), at + 8
    return _any_long(value, at)


def _any_long(value: bytes, at: int) -> tuple[int, int]:
    bits = shift = 0
    while True:
        byte = value[at]
        at += 1
        bits |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > 63:
            raise MalformedError("a number of more than ten bytes")
    if bits >> 64:
        raise MalformedError("a number of more than 64 bits")
    return (bits >> 1) ^ -(bits & 1), at


def decode_length(value: bytes, at: int) -> tuple[int, int]:
    """Read a length or count; give it and the place after it."""
    length, at = decode_long(value, at)
    if length < 0:
        raise MalformedError("a length below nought")
    return length, at
