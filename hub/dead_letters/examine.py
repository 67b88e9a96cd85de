"""Looks whether a letter would pass now: decoded, mapped and encoded as its stage does it today."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.bus.contract import Headers
from hub.control import REPLAY
from hub.dead_letters.book import Letter
from hub.dead_letters.cases import Case
from hub.dead_letters.contents import Contents
from hub.dead_letters.findings import Finding, Verdict
from hub.dead_letters.holds import is_strict, waits
from hub.dead_letters.newest import Version
from hub.dead_letters.rows import ParsedRow, refuse_misfit, wish_value
from hub.domains import DOMAINS
from hub.errors import BadRecordError
from hub.events import Heading, event_id
from hub.schema.codec import Codec

if TYPE_CHECKING:
    from hub.normalise.step import Step


class Ready(NamedTuple):
    """A record to send on an alliance topic."""

    letter: Letter
    case: Case
    domain: str
    record_id: str
    version: Version
    value: bytes
    headers: Headers
    timestamp: int


class Row(NamedTuple):
    """A row to ask its connector for; `wish` is what to ask."""

    letter: Letter
    case: Case
    row: ParsedRow
    wish: dict[str, Any]

    @property
    def key(self) -> str:
        assert self.row.key is not None
        return self.row.key

    @property
    def name(self) -> str:
        return REPLAY + self.letter.id


@dataclass(frozen=True, slots=True)
class _Event:
    """A force's event as the step takes it, with the headers it would have had."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Examiner:
    """Examines the letters of one feed."""

    def __init__(self, contents: Contents, codec: Codec, *, approval: bool) -> None:
        self.contents = contents
        self._codec = codec
        self._approval = approval
        self._strict = is_strict(contents.feed.source)
        self._step: Step | None = None

    def examine(self, letter: Letter, case: Case, original: bytes | None) -> Ready | Row | Finding:
        """Make what is to be sent or asked, or say why that does not go."""
        if case.edited is not None and self._approval and not case.approved:
            return Finding(letter.id, Verdict.UNAPPROVED, "It was edited; another person must approve it.")
        if self._strict and waits(letter, case):
            return Finding(letter.id, Verdict.HELD, letter.about["reason"])
        try:
            return self._made(letter, case, original)
        except BadRecordError as error:
            return Finding(letter.id, Verdict.FAILS, str(error))

    def _made(self, letter: Letter, case: Case, original: bytes | None) -> Ready | Row:
        edited = case.edited is not None
        value = case.edited if edited else original
        if not edited and not letter.kept:
            raise BadRecordError("Not all of the original was kept; give the record whole with `dlq edit`.")
        if letter.about["stage"] == "read":
            return self._row(letter, case, value)
        if letter.about["stage"] == "view":
            return self._record(letter, case, value, edited=edited)
        return self._event(letter, case, value, edited=edited)

    def _row(self, letter: Letter, case: Case, value: bytes | None) -> Row:
        edited = case.edited is not None
        row = self.contents.row(letter, value, edited=edited)
        refuse_misfit(self.contents.feed, self._codec, row)
        assert value is not None
        return Row(letter, case, row, wish_value(letter.about, value, edited=edited))

    def _event(self, letter: Letter, case: Case, value: bytes | None, *, edited: bool) -> Ready:
        about, step = letter.about, self._normalising()
        envelope = self.contents.read(letter, value)
        key = envelope["record_id"].encode() if edited or about["key"] is None else about["key"]
        event = _Event(about["topic"], about["partition"], about["offset"], 0, key, value, ())
        record = step.map(event, envelope)
        sent, headers, _ = step.make(event, envelope)
        assert sent is not None
        return _ready(letter, case, record, sent, headers)

    def _normalising(self) -> "Step":
        from hub.normalise.step import Step

        self._step = self._step or Step(self.contents.mapper, self._codec)
        return self._step

    def _record(self, letter: Letter, case: Case, value: bytes | None, *, edited: bool) -> Ready:
        record = self.contents.read(letter, value)
        if not edited and letter.about["key"] != record["id"].encode():
            raise BadRecordError("It has a key that is not its id; only the hub's normaliser writes there.")
        if "\0" in record["id"] or "\0" in record["force"]:
            raise BadRecordError("It has a NUL character in its id or force; mend its source's key.")
        assert value is not None
        topic = DOMAINS[letter.about["domain"]].topic
        heading = Heading(f"/alliance/{record['force']}/{letter.about['domain']}", topic)
        version = record["source_version"], record["mapping_version"]
        headers = heading.of(event_id(record["id"], *version), _time(record), record["id"].encode())
        return _ready(letter, case, record, value, headers)


def _ready(letter: Letter, case: Case, record: Mapping[str, Any], value: bytes, headers: Headers) -> Ready:
    version = record["source_version"], record["mapping_version"]
    domain = letter.about["domain"]
    return Ready(letter, case, domain, record["id"], version, value, headers, _time(record) // 1000)


def _time(record: Mapping[str, Any]) -> int:
    provenance = record["provenance"]
    changed_at, read_at = provenance["changed_at"], provenance["read_at"]
    return int(read_at if changed_at is None else changed_at)
