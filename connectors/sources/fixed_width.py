"""Fixed-width text cut into fields; the blanks that pad a field are not part of its value."""

from collections.abc import Sequence
from typing import cast

from connectors.sources.lines import Lines, TooLong
from connectors.sources.split import Bad, Split, decode_fault

Cut = tuple[int, int]
"""First character of a field and the one after its last, counted from 0."""


class FixedWidth:
    """Cuts the lines that `lines` gives; each has `length` characters, or at least all of its fields."""

    def __init__(self, lines: Lines, *, encoding: str, cuts: Sequence[Cut], length: int | None) -> None:
        self._lines = lines
        self._encoding = encoding
        self._cuts = tuple(cuts)
        self._length = length
        self._least = max(last for _, last in cuts)
        self._first, self._chunk = 0, list[bytes]()
        self.keep: tuple[int, ...] = tuple(range(len(cuts)))

    def take(self, most: int) -> list[Split]:
        """Cut up to `most` more lines, each with its number; [] at the end."""
        while chunk := self._lines.take(most):
            first = self._lines.number - len(chunk)
            if isinstance(chunk[0], TooLong):
                return [(first, Bad.too_long(chunk[0]))]
            self._first, self._chunk = first, cast("list[bytes]", chunk)
            cut = [(n, fields) for n, line in enumerate(self._chunk, first) if (fields := self._cut(line))]
            if cut:
                return cut
        return []

    def original(self, number: int, fields: list[str]) -> bytes:
        raw = self._chunk[number - self._first]
        if len(raw.decode(self._encoding)) == len(raw):
            return self._kept(raw)
        return "\t".join(fields[index] for index in self.keep).encode()

    def _cut(self, raw: bytes) -> list[str] | Bad | None:
        text = raw.decode(self._encoding, "replace")
        fault = decode_fault(raw, self._encoding) if "\ufffd" in text or "\0" in text else ""
        line = text.rstrip("\r\n")
        if not line and not fault:
            return None
        short = self._length_fault(len(line))
        fields = [line[first:last].strip() for first, last in self._cuts]
        if not fault and not short:
            return fields
        told = None if short else fields
        bytewise = told is not None and len(text) == len(raw)
        return Bad.of(fault or short, raw, self._kept(raw) if bytewise else None, told)

    def _length_fault(self, length: int) -> str:
        if self._length is not None and length != self._length:
            return f"{length} characters where a line has {self._length}"
        if length < self._least:
            return f"{length} characters where the last column ends at {self._least}"
        return ""

    def _kept(self, raw: bytes) -> bytes:
        """The columns that may be kept, side by side, of a line in which every character is one byte."""
        return b"".join(raw[slice(*self._cuts[index])] for index in self.keep)
