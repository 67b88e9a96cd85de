"""Compares a source system with the view: which records are missing, extra, old or otherwise different.

The source is read a second time and looked at beside the view. What differs is looked at again
until the view is known to be complete up to the reading, for lag is not loss.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence

from connectors.looks import DEAD_LETTERED, EXTRA, MISSING, Look, Looker, Result
from connectors.second_reading import Said, SecondReading
from hub.domains.domain import Record
from hub.view.query import Query

MOST_NAMED = 10_000
"""So many are named and looked at again; what differs beyond that is counted."""

_PAGE = 500
_PAUSE_SECONDS = 0.2


class Reconciliation:
    """One feed's source beside the view. `whole` says that even a log still holds all it ever said."""

    def __init__(self, reading: SecondReading, looker: Looker, query: Query, *, whole: bool) -> None:
        self._reading = reading
        self._looker = looker
        self._query = query
        self._whole = whole
        self._feed = looker.feed
        # How long the hub may take to see that a row has gone without a trace.
        self._sweep_micros = int(1_500_000 * float(self._feed.source.get("sweep_seconds", 0)))

    def run(self, patience: float) -> Result:
        """Compare everything; look again at what differs until it is certain, so many seconds at most."""
        result = Result(self._feed)
        self._reading.read_to(_now())
        read_by = _now()
        deadline = time.monotonic() + patience + self._sweep_micros / 1_000_000
        self._compare_all(result)
        if result.differences > MOST_NAMED:
            self._wait(read_by, deadline)
            self._compare_all(result)
        self._settle(result, read_by, deadline)
        result.kinds[DEAD_LETTERED] += self._reading.keyless
        result.complete_to, result.to_the_end = self._complete_to(), self._reading.to_the_end
        return result

    def _compare_all(self, result: Result) -> None:
        self._reading.look_anew()
        result.looks, result.kinds, result.days = {}, Counter(), {}
        for records in self._pages():
            keys = self._reading.first_look(list(records))
            said = self._reading.of(keys)
            for key in keys:
                self._note(result, self._look(key, said.get(key), records[key]))
        for rest in self._reading.not_looked_at():
            for each in rest:
                self._note(result, self._look(each.key, each, self._record(each.key)))

    def _note(self, result: Result, look: Look) -> None:
        result.add(look)
        if look.kind is not None and len(result.looks) < MOST_NAMED:
            result.looks[look.key] = look

    def _look(self, key: str, said: Said | None, seen: Record | None) -> Look:
        gone = self._whole or self._reading.holds_all
        return self._looker.look(key, said, seen, absent_is_gone=gone)

    def _settle(self, result: Result, read_by: int, deadline: float) -> None:
        """Look again until the view is complete up to a moment since which neither side has changed."""
        unsure = {key: read_by for key, look in result.looks.items() if look.kind != DEAD_LETTERED}
        while unsure:
            complete_to = self._complete_to() or 0
            self._reading.read_to(_now())
            unsure = self._look_again(result, unsure, complete_to)
            if unsure and time.monotonic() >= deadline:
                _leave_changing(result, [key for key, since in unsure.items() if since > read_by])
                result.behind = any(since == read_by for since in unsure.values())
                return
            time.sleep(_PAUSE_SECONDS)

    def _look_again(self, result: Result, unsure: dict[str, int], complete_to: int) -> dict[str, int]:
        """Look at keys, given since when neither side is known to have changed; returns those not certain."""
        left: dict[str, int] = {}
        now, said = _now(), self._reading.of(list(unsure))
        for key, since in unsure.items():
            before, look = result.looks.pop(key), self._look(key, said.get(key), self._record(key))
            result.add(before, -1)
            self._note(result, look)
            if look.kind in {None, DEAD_LETTERED}:
                continue
            swept = self._sweep_micros if look.kind in {MISSING, EXTRA} else 0
            if look.state != before.state:
                left[key] = now
            elif since + swept > complete_to:
                left[key] = since
        return left

    def _wait(self, instant: int, deadline: float) -> None:
        """Give the view time to become complete up to an instant."""
        while (self._complete_to() or 0) < instant and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)

    def _pages(self) -> Iterator[dict[str, Record]]:
        """The view's records of this feed by key, deleted ones too."""
        cursor: str | None = None
        prefix = self._looker.prefix
        while True:
            page = self._query.list_records(
                self._feed.domain,
                filters={"force": self._feed.force},
                include_deleted=True,
                limit=_PAGE,
                cursor=cursor,
            )
            records = (item.record for item in page.items)
            yield {r["id"].removeprefix(prefix): r for r in records if r["id"].startswith(prefix)}
            cursor = page.next
            if cursor is None:
                return

    def _record(self, key: str) -> Record | None:
        item = self._query.get(self._feed.domain, self._looker.prefix + key)
        return None if item is None else item.record

    def _complete_to(self) -> int | None:
        """The source time up to which the view shows every change of this feed."""
        for each in self._query.freshness():
            if (each.force, each.domain) == (self._feed.force, self._feed.domain):
                return each.complete_to
        return None


def _leave_changing(result: Result, keys: Sequence[str]) -> None:
    """What goes on changing for as long as it is looked at is no difference."""
    for key in keys:
        look = result.looks.pop(key)
        result.add(look, -1)
        result.add(look._replace(kind=None))
    result.changing = len(keys)


def _now() -> int:
    return time.time_ns() // 1000
