"""What a letter holds: decoded as far as it goes, and shown with what is personal left out."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from hub.dead_letters.book import Letter
from hub.dead_letters.mask import Mask
from hub.dead_letters.rows import Form, ParsedRow, ParseRow
from hub.domains import DOMAINS
from hub.errors import BadRecordError
from hub.forces import SCHEMAS, Feed
from hub.schema.codec import Codec

if TYPE_CHECKING:  # the mapping brings the national grid, which few letters need
    from hub.normalise.boundary import Boundary
    from hub.normalise.mapping import Mapper

Decoded = dict[str, Any]

ALL_CLASSES = frozenset({"personal", "sensitive", "restricted"})
_EVENT_STUB = ("record_id", "system", "key", "source_version", "deleted", "read_at", "source_position")
_BUSINESS_KEYS = ("source_key", "reference", "staff_number", "key")


class Contents:
    """Reads the letters of one feed."""

    def __init__(
        self,
        feed: Feed,
        codec: Codec,
        parse_row: ParseRow,
        boundary: Callable[[], "Boundary | None"] = lambda: None,
    ) -> None:
        self.feed = feed
        self.domain = DOMAINS[feed.domain]
        self._parse_row = parse_row
        self._boundary = boundary
        self._decode = {
            "normalise": codec.decoder(feed.topic),
            "view": codec.decoder(self.domain.topic),
        }
        self._alliance = Mask(json.loads((SCHEMAS / self.domain.schema).read_text("utf-8")))
        self._event = Mask(json.loads(feed.schema.read_text("utf-8")))

    @cached_property
    def mapper(self) -> "Mapper":
        from hub.normalise.mapping import compile_mapping

        return compile_mapping(self.feed, boundary=self._boundary())

    def read(self, letter: Letter, value: bytes | None, *, edited: bool = False) -> Decoded:
        """Decode an original, or what was edited of it. `BadRecordError` where that does not go."""
        stage = letter.about["stage"]
        if stage != "read":
            return self._decode[stage](value)
        return dict(self.row(letter, value, edited=edited).values)

    def row(self, letter: Letter, value: bytes | None, *, edited: bool = False) -> ParsedRow:
        """The row of a letter of stage read."""
        if value is None:
            raise BadRecordError("nothing of the row was kept; give its columns with `dlq edit`")
        return self._parse_row(self.feed, letter.about, value, Form.EDITED if edited else Form.ORIGINAL)

    def read_or_none(self, letter: Letter, value: bytes | None, *, edited: bool = False) -> Decoded | None:
        """What could be decoded; None where nothing could."""
        try:
            return self.read(letter, value, edited=edited)
        except BadRecordError:
            return self._columns_or_none(letter, value)

    def _columns_or_none(self, letter: Letter, value: bytes | None) -> Decoded | None:
        """The columns of a row, whatever else is wrong with it."""
        if letter.about["stage"] != "read" or value is None:
            return None
        try:
            return dict(self._parse_row(self.feed, letter.about, value, Form.LOOSE).values)
        except BadRecordError:
            return None

    def show(self, letter: Letter, decoded: Decoded, classes: frozenset[str]) -> tuple[Decoded, list[str]]:
        """What may be seen of a decoded value, and the paths of what is withheld."""
        stub: tuple[str, ...] | None = None
        if classes != ALL_CLASSES and self._restricted(letter, decoded):
            stub = self.domain.stub_fields if letter.about["stage"] == "view" else _EVENT_STUB
        if letter.about["stage"] == "read":
            return self._event.of_field("row").show(decoded, classes, stub)
        mask = self._alliance if letter.about["stage"] == "view" else self._event
        return mask.show(decoded, classes, stub)

    def business_keys(self, letter: Letter, decoded: Decoded | None) -> Iterator[str]:
        """The words by which people know the record: its key, the parts of it, its number."""
        if letter.about["record_id"] is not None:
            yield from _keys_of_id(letter.about["record_id"])
        if decoded is None:
            return
        row = decoded if letter.about["stage"] == "read" else decoded.get("row", {})
        found = [decoded.get(name) for name in _BUSINESS_KEYS]
        found += [row.get(name) for name in self._key_fields]
        for value in found:
            if value not in (None, ""):
                yield unquote(str(value))

    @property
    def columns(self) -> Mapping[str, str]:
        """The fields of the force's row, and what its source calls each."""
        return self._event.of_field("row").columns

    @cached_property
    def _key_fields(self) -> list[str]:
        names = self.feed.source.get("key", ())
        return [field for field, column in self._event.of_field("row").columns.items() if column in names]

    def _restricted(self, letter: Letter, decoded: Decoded) -> bool:
        """Whether the record is restricted; where that cannot be told it counts as such."""
        if letter.about["stage"] == "view":
            return bool(decoded["restricted"])
        row = decoded if letter.about["stage"] == "read" else decoded["row"]
        rule = next((r.made.value for r in self.mapper.rules if r.target.path == "restricted"), None)
        if rule is None:
            return False
        try:
            return bool(rule({name: row.get(name) for name in self._event.of_field("row").columns}, []))
        except (TypeError, ValueError, AttributeError):
            return True


def as_text(original: bytes | None) -> Mapping[str, str] | None:
    """An original's bytes for JSON: as text where they are UTF-8, else in base64."""
    if original is None:
        return None
    try:
        return {"text": original.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(original).decode()}


def _keys_of_id(record_id: str) -> Iterator[str]:
    """`urn:alliance:<noun>:<force>:…`: the whole key and each of its parts."""
    parts = record_id.split(":")[4:]
    for start in range(len(parts)):
        yield unquote(":".join(parts[start:]))
    yield from map(unquote, parts)
