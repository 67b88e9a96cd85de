"""What splitting a line gives: its fields, or why it has none."""

import hashlib
from dataclasses import dataclass
from typing import Protocol, final

from connectors.sources.lines import TooLong


@final
@dataclass(frozen=True, slots=True)
class Bad:
    """A line that is refused. `raw` holds no column that must not be kept; `fields` is what could be told."""

    reason: str
    raw: bytes | None
    length: int
    sha256: str
    fields: list[str] | None = None

    @classmethod
    def of(cls, reason: str, original: bytes, raw: bytes | None, fields: list[str] | None) -> "Bad":
        return cls(reason, raw, len(original), hashlib.sha256(original).hexdigest(), fields)

    @classmethod
    def too_long(cls, line: TooLong) -> "Bad":
        return cls(f"a line of {line.length} bytes", None, line.length, line.sha256)


Split = tuple[int, list[str] | Bad]
"""A line's number with what it holds."""


class Text(Protocol):
    """The rest of a file, split line by line; what is kept of a refused line is `keep` alone."""

    keep: tuple[int, ...]

    def take(self, most: int) -> list[Split]:
        """Split up to about `most` more lines; [] at the end."""
        ...

    def original(self, number: int, fields: list[str]) -> bytes:
        """The bytes of a line of the last `take`, without the columns that must not be kept."""
        ...


def decode_fault(raw: bytes, encoding: str) -> str:
    """Say why bytes are not text of an encoding, or hold a NUL; "" where they are fine."""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        return f"not {encoding}: byte 0x{raw[error.start]:02X}"
    return "a NUL byte" if "\0" in text else ""
