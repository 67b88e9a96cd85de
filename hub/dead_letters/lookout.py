"""Tells which of the records about to be replayed would come too late, and which were passed meanwhile."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from hub.bus.contract import Bus
from hub.dead_letters.examine import Ready, Row
from hub.dead_letters.findings import Finding, Verdict
from hub.dead_letters.newest import Message, Newest, Version
from hub.dead_letters.rows import newest_events, overtaken
from hub.forces import Feed
from hub.schema.codec import Codec
from hub.view.store import Store

STALE = "A newer version of the record, or this very one, is there already."

Made = Ready | Row | Finding


class World(NamedTuple):
    """What is looked at: the bus, the store (opened when first asked for), and the feeds."""

    bus: Bus
    codec: Codec
    store: Callable[[], Store]
    feeds: Mapping[tuple[str, str], Feed]


class Passed(NamedTuple):
    """A newer version that is not the last of its topic, since an older one was sent after it."""

    domain: str
    record_id: str
    message: Message


class Lookout:
    """Watches the records of one batch, from before they are sent until after."""

    def __init__(self, world: World, made: Iterable[Made]) -> None:
        records: dict[str, set[str]] = defaultdict(set)
        keys: dict[tuple[str, str], set[str]] = defaultdict(set)
        for each in made:
            if isinstance(each, Ready):
                records[each.domain].add(each.record_id)
            elif isinstance(each, Row):
                keys[each.letter.feed].add(each.key)
        self._records = records
        self._newest: dict[str, Newest] = {}
        try:
            for domain, ids in records.items():
                self._newest[domain] = Newest(world.bus, world.codec, world.store(), domain, ids)
            self._events = {
                feed: newest_events(world.bus, world.codec, world.feeds[feed], wanted)
                for feed, wanted in keys.items()
            }
            self.look()
        except BaseException:
            self.close()
            raise
        self._coming: dict[str, Version] = {}

    def look(self) -> None:
        """Read on to what is on the bus by now."""
        for newest in self._newest.values():
            newest.look()

    def judge(self, made: Made) -> Finding:
        """Whether it passes or comes too late. In order: those judged before count as being there."""
        if isinstance(made, Finding):
            return made
        late = self._row_is_late(made) if isinstance(made, Row) else self._record_is_late(made)
        return Finding(made.letter.id, Verdict.STALE if late else Verdict.PASSES, STALE if late else "")

    def passed(self) -> list[Passed]:
        """The newer versions that an older one was sent after."""
        return [
            Passed(domain, record_id, message)
            for domain, ids in self._records.items()
            for record_id in sorted(ids)
            if (message := self._newest[domain].passed(record_id)) is not None
        ]

    def close(self) -> None:
        for newest in self._newest.values():
            newest.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _record_is_late(self, ready: Ready) -> bool:
        there = self._newest[ready.domain].version(ready.record_id)
        newest = max((v for v in (there, self._coming.get(ready.record_id)) if v is not None), default=None)
        if newest is not None and newest >= ready.version:
            return True
        self._coming[ready.record_id] = ready.version
        return False

    def _row_is_late(self, row: Row) -> bool:
        event: Mapping[str, Any] | None = self._events[row.letter.feed].get(row.key)
        return overtaken(row.row, row.letter.about["at"], event)
