"""One look at a record: what its source says beside what the view shows."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from connectors.messages import id_prefix
from connectors.second_reading import Said
from hub.bus.contract import Headers
from hub.domains import DOMAINS
from hub.domains.domain import Record
from hub.errors import BadRecordError
from hub.forces import Feed
from hub.normalise.mapping import Mapper
from hub.normalise.step import Step
from hub.schema.codec import Codec

MISSING, EXTRA, OLD, DIFFERING = "missing", "extra", "old", "differing"
DIFFERENCES = (MISSING, EXTRA, OLD, DIFFERING)
DEAD_LETTERED, NO_LONGER_HELD = "dead_lettered", "no_longer_held"
TOLD = (*DIFFERENCES, DEAD_LETTERED, NO_LONGER_HELD)
"""The last two are told, and are no differences: the one is known, of the other nobody can know."""

_ASIDE = frozenset({"provenance", "source_version", "mapping_version"})
"""Fields that tell of the way of a record rather than of what it says."""

_LONDON = ZoneInfo("Europe/London")

Values = tuple[Any, Any]
"""What the source says and what the view shows."""


class Look(NamedTuple):
    """What one look came to; `kind` is None where nothing differs.

    A day is None where that side has no live record. `state` is the same for as long as neither
    side has changed.
    """

    key: str
    kind: str | None
    source_day: str | None = None
    view_day: str | None = None
    reason: str = ""
    fields: Mapping[str, Values] = {}
    state: tuple[Any, ...] = ()

    @property
    def day(self) -> str:
        return (self.view_day if self.source_day is None else self.source_day) or ""


@dataclass(slots=True)
class Result:
    """What the comparison of one feed came to. `days` counts by the record's day, '' where it has none.

    `behind` says that the view was not seen to be complete up to the reading, so that differences
    may be on their way; `to_the_end` that the source told it was read to its end. `looks` are
    the first ones of those that are told of. `changing` went on changing to the last.
    """

    feed: Feed
    looks: dict[str, Look] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    days: dict[str, Counter[str]] = field(default_factory=dict)
    complete_to: int | None = None
    behind: bool = False
    to_the_end: bool = True
    changing: int = 0

    @property
    def differences(self) -> int:
        return sum(self.kinds[kind] for kind in DIFFERENCES)

    def total(self, side: str) -> int:
        """The live records of `source` or `view`."""
        return sum(counts[side] for counts in self.days.values())

    def add(self, look: Look, times: int = 1) -> None:
        """Count a look, or take it back."""
        for side, day in (("source", look.source_day), ("view", look.view_day)):
            if day is not None:
                self._day(day)[side] += times
        if look.kind is not None:
            self.kinds[look.kind] += times
            self._day(look.day)[look.kind] += times

    def _day(self, day: str) -> Counter[str]:
        return self.days.setdefault(day, Counter())


class _Event(NamedTuple):
    """An event as the normaliser gets it, but for a place on the bus."""

    topic: str
    key: bytes
    value: bytes
    partition: int = -1
    offset: int = -1
    timestamp: int = 0
    headers: Headers = ()


class Looker:
    """Maps what the source says as the normaliser would, and compares it with the view, field by field."""

    def __init__(self, mapper: Mapper, codec: Codec) -> None:
        self.feed = mapper.feed
        self.prefix = id_prefix(mapper.feed)
        self._mapping_version = mapper.version
        self._step = Step(mapper, codec)
        self._decode = codec.decoder(self._step.topic)
        domain = DOMAINS[mapper.feed.domain]
        self._instant = next((c.value for c in domain.columns if c.name == domain.latest), None)

    def look(self, key: str, said: Said | None, seen: Record | None, *, absent_is_gone: bool) -> Look:
        """Compare one record. `absent_is_gone`: what the source does not speak of is not there."""
        shown = None if seen is None or seen["deleted"] else seen
        view_day = None if shown is None else self._day(shown)
        state = (said, seen and (seen["source_version"], seen["mapping_version"]))
        try:
            wanted = None if said is None or said.gone else self._mapped(said)
        except BadRecordError as error:
            return Look(key, DEAD_LETTERED, None, view_day, str(error), state=state)
        if wanted is None or wanted["deleted"]:
            kind, reason = _unwanted(said, absent_is_gone=absent_is_gone) if shown else (None, "")
            return Look(key, kind, None, view_day, reason, state=state)
        if shown is None:
            reason = "not in the view" if seen is None else "deleted in the view"
            return Look(key, MISSING, self._day(wanted), None, reason, state=state)
        kind, reason, fields = self._compare(wanted, shown, said)
        return Look(key, kind, self._day(wanted), view_day, reason, fields, state)

    def _compare(
        self, wanted: Record, shown: Record, said: Said | None
    ) -> tuple[str | None, str, Mapping[str, Values]]:
        fields = dict(_differing(wanted, shown))
        if shown["mapping_version"] != self._mapping_version:
            made_by = (
                f"made by mapping {shown['mapping_version']}, the present one is {self._mapping_version}"
            )
            return OLD, made_by, fields
        if not fields:
            return None, "", {}
        if said is not None and said.version is not None and said.version > shown["source_version"]:
            return OLD, f"version {shown['source_version']}, the source is at {said.version}", fields
        changed, known = (record["provenance"]["changed_at"] for record in (wanted, shown))
        if changed is not None and known is not None and changed > known:
            return OLD, "the source has changed it since", fields
        return DIFFERING, "", fields

    def _mapped(self, said: Said) -> Record:
        """What the normaliser would make, as it would be read back from the store."""
        if said.event is None:
            raise BadRecordError(said.refused or "")
        event = _Event(self.feed.topic, (self.prefix + said.key).encode(), said.event)
        envelope = self._step.read(event)
        assert envelope is not None
        return self._decode(self._step.encode(self._step.map(event, envelope)))

    def _day(self, record: Record) -> str:
        """The record's own day in local time; '' where its domain or the record has none."""
        instant = None if self._instant is None else self._instant(record)
        if not isinstance(instant, int):
            return ""
        return datetime.fromtimestamp(instant / 1_000_000, UTC).astimezone(_LONDON).date().isoformat()


def _unwanted(said: Said | None, *, absent_is_gone: bool) -> tuple[str, str]:
    """What the view shows although the source says that it is gone, or nothing of it."""
    if said is not None:
        return EXTRA, "deleted in the source"
    if absent_is_gone:
        return EXTRA, "not in the source"
    return NO_LONGER_HELD, "the source is a log and holds no row of it any more"


def _differing(wanted: Record, shown: Record, within: str = "") -> Iterator[tuple[str, Values]]:
    """The fields in which two records of one schema differ."""
    for name, value in wanted.items():
        if not within and name in _ASIDE:
            continue
        other = shown.get(name)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            yield from _differing(value, other, f"{within}{name}.")
        elif value != other:
            yield f"{within}{name}", (value, other)
