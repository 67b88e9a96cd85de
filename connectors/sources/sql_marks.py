"""Watermarks: which value is the newest, how far to go back from it, how it is kept as JSON."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from connectors.sources.sql_rows import LONDON, parse_time
from connectors.sources.sql_settings import SqlSettings

_CLOCKS_APART = dt.timedelta(hours=1)
"""How far ahead of ours a source's clock may be. What lies beyond is no time to go on from."""

BLANK_BELOW = "1"
"""Text below it is no date; a blank watermark must be found too."""


class Marks:
    """The watermarks of one table.

    A value far in the future, or no date at all, is read like any other but never taken as
    the newest: going on from it would hide every later change.
    """

    def __init__(
        self, settings: SqlSettings, *, number: bool, native: bool, clock: Callable[[], float]
    ) -> None:
        assert settings.watermark is not None
        self._local = settings.watermark.local
        self._far = dt.timedelta(seconds=settings.overlap_seconds)
        self._late = dt.timedelta(seconds=settings.longest_transaction_seconds)
        self._numbers = settings.watermark.overlap_numbers
        self._number = number
        self._native = native
        self._clock = clock

    @property
    def is_text(self) -> bool:
        return not self._number and not self._native

    def newest(self, ascending: Sequence[Any], before: Any) -> Any:
        """The newest usable watermark of a page in its order, or the one before."""
        place = self.newest_place(ascending)
        return before if place is None else self.later(before, ascending[place])

    def newest_place(self, ascending: Sequence[Any]) -> int | None:
        limit = self._limit()
        for place in range(len(ascending) - 1, -1, -1):
            if self._usable(ascending[place], limit):
                return place
        return None

    def later(self, one: Any, other: Any) -> Any:
        return other if one is None or other > one else one

    def back(self, mark: Any) -> Any:
        """Where a scan of all that may lie behind the newest begins."""
        if self._number:
            return mark - self._numbers
        return self._form(self._time(mark) - self._far, mark)

    @property
    def prove_nearer(self) -> bool:
        """Whether what is complete is proved by going back less far than `back`, most of the time."""
        return self._local and not self._number and self._late < self._far

    def back_to_prove(self, mark: Any) -> Any:
        """Where a scan begins that proves what is complete.

        Local time needs no more than the longest transaction, unless it ran back within that.
        A watermark that is ahead of the time hides what changes meanwhile, so both count.
        """
        if not self.prove_nearer:
            return self.back(mark)
        base = min(self._time(mark), self._now().replace(tzinfo=None, microsecond=0))
        return self._form(base - (self._far if self._ran_back(base) else self._late), mark)

    def _form(self, at: dt.datetime, mark: Any) -> Any:
        """A time in the form of a watermark of the table."""
        if self._native:
            return at.replace(tzinfo=mark.tzinfo)
        return at.isoformat(sep="T" if mark[10:11] == "T" else " ")

    def _time(self, mark: Any) -> dt.datetime:
        at = mark if isinstance(mark, dt.datetime) else parse_time(mark)
        assert at is not None
        return at.replace(tzinfo=None)

    def _ran_back(self, local: dt.datetime) -> bool:
        """Whether a clock that shows this may stand in the hour that comes twice, or just did."""
        now = local.replace(tzinfo=LONDON, fold=1).astimezone(dt.UTC)
        before = now - dt.timedelta(hours=1) - self._late
        return _offset(before) > _offset(now)

    def to_json(self, mark: Any) -> Any:
        return mark.isoformat(" ") if isinstance(mark, dt.datetime) else mark

    def from_json(self, kept: Any) -> Any:
        return parse_time(kept) if self._native and isinstance(kept, str) else kept

    def _usable(self, mark: Any, limit: dt.datetime) -> bool:
        if self._number:
            return isinstance(mark, int) and not isinstance(mark, bool)
        at = mark if isinstance(mark, dt.datetime) else parse_time(mark) if isinstance(mark, str) else None
        if at is None:
            return False
        return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)) <= limit

    def _limit(self) -> dt.datetime:
        """The time that a clock of the source may show by now."""
        return self._now() + _CLOCKS_APART

    def _now(self) -> dt.datetime:
        """The time that a clock of the source should show; local time goes as if it were UTC."""
        now = dt.datetime.fromtimestamp(self._clock(), dt.UTC)
        return now.astimezone(LONDON).replace(tzinfo=dt.UTC) if self._local else now


def _offset(at: dt.datetime) -> dt.timedelta:
    offset = at.astimezone(LONDON).utcoffset()
    assert offset is not None
    return offset
