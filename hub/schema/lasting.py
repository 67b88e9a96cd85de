"""Records that are written again and again: their bytes are made once and kept with them."""

from collections.abc import Mapping
from typing import Any


class Lasting(dict[str, Any]):
    """A record that is never changed once made, as what a code stands for.

    `kept` is the function that wrote it last, for another schema has another, and the bytes it made.
    """

    __slots__ = ("kept",)

    def __init__(self, record: Mapping[str, Any]) -> None:
        super().__init__(record)
        self.kept: tuple[Any, bytes] = (None, b"")


def keep(record: Mapping[str, Any], writer: Any, made: bytes) -> bytes:
    """Keep what a writer made with a record that lasts; give it back."""
    if isinstance(record, Lasting):
        record.kept = writer, made
    return made
