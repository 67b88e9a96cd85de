"""The lines of a binary file, in bounded memory, with the place reached in bytes and in lines."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

LINE_LIMIT = 16 * 1024 * 1024
"""Bytes a line may have; of a longer one only length and hash are kept."""

_BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line that was not held in memory."""

    length: int
    sha256: str


class Lines:
    """Reads lines from `offset` to `end`; a line keeps its line end.

    `newline` is the line end in the file's encoding; of two or four bytes it counts only
    where it is aligned. `offset` and `number` say where the next line begins.
    """

    def __init__(self, handle: BinaryIO, newline: bytes, *, offset: int, number: int, end: int) -> None:
        self._handle = handle
        self._newline = newline
        self._end = end
        self._ready: list[bytes | TooLong] = []
        self.go_to(offset, number)

    def go_to(self, offset: int, number: int) -> None:
        """Go on at the line that begins at `offset`."""
        self._handle.seek(offset)
        self._ready.clear()
        self._rest = b""
        self._unread = self._end - offset
        self.offset, self.number = offset, number

    def take(self, most: int, budget: int = 4 * 1024 * 1024) -> list[bytes | TooLong]:
        """Take up to `most` lines, about `budget` bytes; a line too long comes alone; [] at the end."""
        taken: list[bytes | TooLong] = []
        while len(taken) < most and budget > 0 and self._fill():
            line = self._ready[-1]
            if isinstance(line, TooLong) and taken:
                break
            taken.append(self._ready.pop())
            budget -= _size(line)
            self.offset += _size(line)
            if isinstance(line, TooLong):
                break
        self.number += len(taken)
        return taken

    def give_back(self, lines: Sequence[bytes | TooLong]) -> None:
        """Put lines just taken back, to be taken again."""
        self._ready.extend(reversed(lines))
        self.offset -= sum(map(_size, lines))
        self.number -= len(lines)

    def _fill(self) -> bool:
        while not self._ready:
            block = self._block()
            if not block:
                if not self._rest:
                    return False
                self._ready.extend(line for line in split_lines(self._rest, self._newline)[::-1] if line)
                self._rest = b""
                return True
            *whole, self._rest = split_lines(self._rest + block, self._newline)
            self._ready.extend(reversed(whole))
            if len(self._rest) > LINE_LIMIT:
                self._ready.insert(0, self._skip())
        return True

    def _block(self) -> bytes:
        block = self._handle.read(min(_BLOCK, self._unread)) if self._unread > 0 else b""
        self._unread -= len(block)
        return block

    def _skip(self) -> TooLong:
        """Read on to the end of a line that is too long to keep."""
        hashed, length, part = hashlib.sha256(), 0, self._rest
        while True:
            first, *others = split_lines(part, self._newline, 1)
            hashed.update(first)
            length += len(first)
            if others:
                self._rest = others[0]
                return TooLong(length, hashed.hexdigest())
            part = self._block()
            if not part:
                self._rest = b""
                return TooLong(length, hashed.hexdigest())


def _size(line: bytes | TooLong) -> int:
    return line.length if isinstance(line, TooLong) else len(line)


def split_lines(data: bytes, newline: bytes, most: int = -1) -> list[bytes]:
    """Split at line ends, which stay with their lines; the last part is what follows the last of them.

    With `most`, only at so many of them.
    """
    if len(newline) == 1:
        parts = data.split(newline, most)
        return [part + newline for part in parts[:-1]] + parts[-1:]
    return _split_aligned(data, newline, most)


def _split_aligned(data: bytes, newline: bytes, most: int) -> list[bytes]:
    width, start, at = len(newline), 0, 0
    parts: list[bytes] = []
    while len(parts) != most and (at := data.find(newline, at)) >= 0:
        if at % width:
            at += 1
            continue
        at += width
        parts.append(data[start:at])
        start = at
    return [*parts, data[start:]]
