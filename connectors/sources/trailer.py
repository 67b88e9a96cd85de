"""The trailer: a last line that counts the rows before it."""

from dataclasses import dataclass
from typing import BinaryIO

from connectors.sources.lines import split_lines

_TAIL = 4096


@dataclass(frozen=True, slots=True)
class Tail:
    """How a file ends. `start` is where its last line begins, `count` what a trailer there says."""

    ended: bool
    start: int
    count: int | None


def tail(handle: BinaryIO, size: int, *, encoding: str, trailer: str | None, delimiter: str) -> Tail:
    """Look at the last line that is not blank; `ended` says whether a line end follows it."""
    newline = "\n".encode(encoding)
    begin = max(0, size - _TAIL) // 4 * 4
    handle.seek(begin)
    lines = [line for line in split_lines(handle.read(size - begin), newline) if line]
    ended, end = bool(lines) and lines[-1].endswith(newline), size
    while lines and not (text := lines[-1].decode(encoding, "replace").strip()):
        end -= len(lines.pop())
    if not lines:
        return Tail(ended, 0, None)
    return Tail(ended, end - len(lines[-1]), _count(text, trailer, delimiter))


def _count(text: str, trailer: str | None, delimiter: str) -> int | None:
    if not trailer or not text.startswith(trailer):
        return None
    stated = text[len(trailer) :].strip(f'{delimiter}" ').partition(delimiter)[0].strip(' "')
    return int(stated) if stated.isdecimal() and len(stated) < 19 else None
