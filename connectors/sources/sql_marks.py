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
        self._seconds = dt.timedelta(seconds=settings.overlap_seconds)
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
        """Where an overlap scan begins."""
        if self._number:
            return mark - self._numbers
        if self._native:
            return mark - self._seconds
        at = parse_time(mark)
        assert at is not None
        return (at.replace(tzinfo=None) - self._seconds).isoformat(sep="T" if mark[10:11] == "T" else " ")

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
        """The time that a clock of the source may show by now; local time goes as if it were UTC."""
        now = dt.datetime.fromtimestamp(self._clock(), dt.UTC)
        if self._local:
            now = now.astimezone(LONDON).replace(tzinfo=dt.UTC)
        return now + _CLOCKS_APART
