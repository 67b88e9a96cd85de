"""Delimited text split into fields: a quick way for clean blocks, a careful one where something is odd.

Both give the same. The careful way keeps a bad line from the good ones behind it (invariant 6):
where a quote was never closed and swallowed lines that are rows by themselves, only the
line it opened in is refused.
"""

import csv
import io
from collections.abc import Iterator
from typing import Protocol, cast

from connectors.sources.encoded import means_itself
from connectors.sources.lines import Lines, TooLong
from connectors.sources.split import Bad, Split, decode_fault

FIELD_LIMIT = 1024 * 1024
"""Characters a field may have."""

_RECORD_LINES = 1000
_RECORD_BYTES = 4 * 1024 * 1024


class _Reader(Protocol):
    """What csv.reader makes."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


class Delimited:
    """Splits the lines that `lines` gives; `width` counts the columns, `keep` names those to keep."""

    def __init__(self, lines: Lines, *, encoding: str, delimiter: str, quote: str) -> None:
        csv.field_size_limit(FIELD_LIMIT)
        self._lines = lines
        self._encoding = encoding
        self._delimiter = delimiter
        self._quote = quote
        self._first, self._chunk = 0, list[bytes]()
        self.width = 0
        self.keep: tuple[int, ...] = ()

    def header(self) -> list[str] | None:
        """Take the first line as names; None where the text is empty; ValueError where it cannot be read."""
        taken = self._lines.take(1)
        if not taken:
            return None
        if isinstance(taken[0], TooLong):
            raise ValueError("it is too long")  # noqa: TRY004 the text is at fault
        records = self._careful([taken[0]], self._lines.number - 1)
        first = records[0][1] if records else []
        if isinstance(first, Bad):
            raise ValueError(first.reason)  # noqa: TRY004 the text is at fault
        names = [name.strip() for name in first]
        self.width, self.keep = len(names), tuple(range(len(names)))
        return names

    def take(self, most: int) -> list[Split]:
        """Split up to `most` more lines, each with its number; [] at the end."""
        while chunk := self._lines.take(most):
            first = self._lines.number - len(chunk)
            if isinstance(chunk[0], TooLong):
                return [(first, Bad.too_long(chunk[0]))]
            self._first, self._chunk = first, cast("list[bytes]", chunk)
            split = self._quick(self._chunk, first)
            if split is None:
                split = self._careful(self._chunk, first)
            if split:
                return split
        return []

    def original(self, number: int, fields: list[str]) -> bytes:
        """The line's own bytes where all of it may be kept, else its columns written again."""
        line = self._chunk[number - self._first]
        if len(self.keep) == self.width and self._parse(iter((line.decode(self._encoding),)))[0] == fields:
            return line
        return self._written([fields[index] for index in self.keep]).encode(self._encoding)

    def _quick(self, chunk: list[bytes], first: int) -> list[Split] | None:
        """Split a clean chunk; None where a line needs care."""
        try:
            text = b"".join(chunk).decode(self._encoding)
        except UnicodeDecodeError:
            return None
        if "\0" in text or max(map(len, chunk)) > FIELD_LIMIT:
            return None
        quoted = self._quote and self._quote in text
        split = self._quoted(text, first) if quoted else self._plain(text, first)
        if split is None or any(len(fields) != self.width for _, fields in split):
            return None
        return cast("list[Split]", split)

    def _plain(self, text: str, first: int) -> list[tuple[int, list[str]]] | None:
        text = text.replace("\r\n", "\n")
        if "\r" in text:
            return None
        delimiter = self._delimiter
        return [(n, line.split(delimiter)) for n, line in enumerate(text.split("\n"), first) if line]

    def _quoted(self, text: str, first: int) -> list[tuple[int, list[str]]] | None:
        reader = self._reader(io.StringIO(text, newline="\n"))
        split: list[tuple[int, list[str]]] = []
        before = 0
        try:
            for fields in reader:
                if fields:
                    split.append((first + before, fields))
                before = reader.line_num
        except csv.Error:
            return None
        return split

    def _reader(self, texts: Iterator[str]) -> _Reader:
        if not self._quote:
            return csv.reader(texts, delimiter=self._delimiter, quoting=csv.QUOTE_NONE, strict=True)
        return csv.reader(texts, delimiter=self._delimiter, quotechar=self._quote, strict=True)

    def _careful(self, chunk: list[bytes], first: int) -> list[Split]:
        """Split record by record; lines pulled in beyond the chunk and not used are given back."""
        lines = list(chunk)
        split: list[Split] = []
        at, asked = 0, len(lines)
        while at < asked:
            used, record = self._record(lines, at)
            if record:
                split.append((first + at, record))
            at += used
        self._lines.give_back(lines[at:])
        return split

    def _record(self, lines: list[bytes], at: int) -> tuple[int, list[str] | Bad]:
        """The record that begins at a line, with how many lines it takes."""
        fields, reason, used = self._parse(self._texts(lines, at))
        raw = b"".join(lines[at : at + used])
        reason = decode_fault(raw, self._encoding) or reason or self._count_fault(fields)
        if not reason:
            return used, fields
        if used > 1 and any(self._is_row(line) for line in lines[at + 1 : at + used]):
            used, raw = 1, lines[at]
            reason = "a quote is opened and not closed"
            fields = []
        return used, self._bad(reason, raw, fields)

    def _texts(self, lines: list[bytes], at: int) -> Iterator[str]:
        """The lines from `at` on, more of them pulled in as a quoted field asks for them."""
        swallowed = 0
        for index in range(at, at + _RECORD_LINES):
            if index == len(lines):
                pulled = self._lines.take(1)
                if not pulled or isinstance(pulled[0], TooLong):
                    self._lines.give_back(pulled)
                    return
                lines.append(pulled[0])
            swallowed += len(lines[index]) if index > at else 0
            if swallowed > _RECORD_BYTES:
                return
            yield lines[index].decode(self._encoding, "replace")

    def _parse(self, texts: Iterator[str]) -> tuple[list[str], str, int]:
        reader = self._reader(texts)
        try:
            fields: list[str] = next(reader, [])
        except csv.Error as error:
            return [], f"the line cannot be split: {str(error).partition(' - ')[0]}", max(reader.line_num, 1)
        return fields, "", max(reader.line_num, 1)

    def _count_fault(self, fields: list[str]) -> str:
        if not self.width or not fields or len(fields) == self.width:
            return ""
        return f"{len(fields)} columns where the header has {self.width}"

    def _is_row(self, line: bytes) -> bool:
        fields, reason, _ = self._parse(iter((line.decode(self._encoding, "replace"),)))
        return not reason and len(fields) == self.width

    def _bad(self, reason: str, raw: bytes, fields: list[str]) -> Bad:
        told = fields if self.width and len(fields) == self.width else None
        return Bad.of(reason, raw, self._kept(raw, told), told)

    def _kept(self, raw: bytes, fields: list[str] | None) -> bytes | None:
        """The line without the columns that must not be kept; None where they cannot be told apart."""
        if len(self.keep) == self.width:
            return raw
        if fields is None or not self._bytewise():
            return None
        parts, reason, _ = self._parse(iter((raw.decode("latin-1"),)))
        if reason or len(parts) != self.width:
            return None
        return self._written([parts[index] for index in self.keep]).encode("latin-1")

    def _written(self, parts: list[str]) -> str:
        if not self._quote:
            return self._delimiter.join(parts)
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=self._delimiter, quotechar=self._quote).writerow(parts)
        return out.getvalue().removesuffix("\r\n")

    def _bytewise(self) -> bool:
        """Whether a line can be split as bytes."""
        return all(
            means_itself(self._encoding, mark.encode()) for mark in f"{self._delimiter}{self._quote}\n"
        )
