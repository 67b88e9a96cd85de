"""The three kinds of scan by which a table with a watermark is read: head, overlap, sweep."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from connectors.sources.sql_database import Database, Raw, Shape
from connectors.sources.sql_marks import BLANK_BELOW, Marks
from connectors.sources.sql_scan import Scan, Where
from hub.errors import SourceChangedError

ROWS = 1000
KEYS = 5000
MOST_KEYLESS = 10_000
REST = 9
"""Reading again rests this many times as long as it took."""


class Began(NamedTuple):
    """When a scan began: in ticks, to tell which came first whatever is done to the clock; and the time."""

    tick: float
    at: float

    @classmethod
    def now(cls, clock: Callable[[], float]) -> "Began":
        return cls(time.monotonic(), clock())


class Layout(NamedTuple):
    """The columns of one table: all that are read, the key, the watermark."""

    database: Database
    names: Sequence[str]
    key: Sequence[str]
    mark: str
    marks: Marks

    @property
    def order(self) -> Sequence[str]:
        return (self.mark, *self.key)

    def marks_of(self, page: Sequence[Raw]) -> list[Any]:
        place = self.names.index(self.mark)
        return [row[place] for row in page]

    def from_mark(self, low: Any, high: Any = None) -> Where:
        """Rows with a key, from one watermark to another; None leaves that side open."""

        def where(shape: Shape) -> list[sa.ColumnElement[bool]]:
            mark = shape.columns[self.mark]
            conditions = self.with_key(shape)
            conditions.append(mark.is_not(None) if low is None else mark >= low)
            return conditions if high is None else [*conditions, mark <= high]

        return where

    def unset(self, shape: Shape) -> list[sa.ColumnElement[bool]]:
        """Rows with a key whose watermark is null or blank."""
        return [*self.with_key(shape), self._blank(shape)]

    def keyless(self, low: Any) -> Where:
        """Rows without a key, which no order holds."""

        def where(shape: Shape) -> list[sa.ColumnElement[bool]]:
            missing = sa.or_(*(shape.columns[name].is_(None) for name in self.key))
            if low is None:
                return [missing]
            return [missing, sa.or_(shape.columns[self.mark] >= low, self._blank(shape))]

        return where

    def with_key(self, shape: Shape) -> list[sa.ColumnElement[bool]]:
        return [shape.columns[name].is_not(None) for name in self.key]

    def _blank(self, shape: Shape) -> sa.ColumnElement[bool]:
        mark = shape.columns[self.mark]
        return sa.or_(mark.is_(None), mark < BLANK_BELOW) if self.marks.is_text else mark.is_(None)


class Head:
    """Reads what is new: from the newest watermark, its own rows again since two changes may share it.

    At high rates rows behind the last one are read alone most times. `began` is when the
    scan under way or the last one began, `scanning` whether it has more pages.
    """

    def __init__(self, layout: Layout, newest: Any, clock: Callable[[], float]) -> None:
        self._layout = layout
        self._clock = clock
        self._places = [layout.names.index(name) for name in layout.order]
        self._again_from = newest
        self._again_due = 0.0
        self._again = False
        self._cursor: Sequence[Any] | None = None
        self._scan: Scan | None = None
        self.newest = newest
        self.began = Began(0.0, 0.0)

    @property
    def scanning(self) -> bool:
        return self._scan is not None

    def page(self) -> Sequence[Raw]:
        scan = self._scan or self._begin()
        if scan is None:
            return ()
        rows = scan.page()
        self._scan = None if scan.done else scan
        self._take(rows)
        if scan.done and self._again:
            self._again_from = self.newest
            self._again_due = time.monotonic() + REST * scan.cost_seconds
        return rows

    def _begin(self) -> Scan | None:
        self._again = time.monotonic() >= self._again_due
        if not self._again and self._cursor is None:
            return None
        self.began = Began.now(self._clock)
        low = self._again_from if self._again else None
        after = None if self._again else self._cursor
        layout = self._layout
        return Scan(layout.database, layout.names, layout.order, layout.from_mark(low), ROWS, after)

    def _take(self, rows: Sequence[Raw]) -> None:
        marks = self._layout.marks_of(rows)
        place = self._layout.marks.newest_place(marks)
        if place is None:
            return
        self.newest = self._layout.marks.later(self.newest, marks[place])
        if self.newest == marks[place]:
            self._cursor = [rows[place][each] for each in self._places]


class Overlap:
    """Reads again from a watermark behind the newest up to that, or all where `low` is None.

    The first of a start goes on to the end of the table. Where `low` lies far enough behind,
    `began` is the time up to which everything is read once this is done and the head has passed.
    """

    def __init__(
        self, layout: Layout, low: Any, newest: Any, clock: Callable[[], float], *, to_the_end: bool = False
    ) -> None:
        self._layout = layout
        high = None if to_the_end else newest
        database, names = layout.database, layout.names
        self._keyless: Where | None = layout.keyless(low)
        self._unset: Scan | None = Scan(database, names, layout.key, layout.unset, ROWS)
        self._marked = Scan(database, names, layout.order, layout.from_mark(low, high), ROWS)
        self.began = Began.now(clock)
        self.newest = newest
        self.done = False

    @property
    def rest_seconds(self) -> float:
        return REST * self._marked.cost_seconds

    def page(self) -> Sequence[Raw]:
        """Rows without a key or a watermark come first, together with others."""
        rows: list[Raw] = []
        if self._keyless is not None:
            rows += self._without_key(self._keyless)
            self._keyless = None
        if self._unset is not None:
            rows += self._unset.page()
            if not self._unset.done:
                return rows
            self._unset = None
        marked = self._marked.page()
        self.newest = self._layout.marks.newest(self._layout.marks_of(marked), self.newest)
        self.done = self._marked.done
        return [*rows, *marked]

    def _without_key(self, where: Where) -> Sequence[Raw]:
        names = self._layout.names
        rows = self._layout.database.fetch(
            lambda shape: (
                sa.select(*(shape.columns[name] for name in names)).where(*where(shape)).limit(MOST_KEYLESS)
            )
        )
        if len(rows) == MOST_KEYLESS:
            raise SourceChangedError(
                f"At least {MOST_KEYLESS} rows have a null in a column of `key` "
                f"({', '.join(self._layout.key)}): that is no key. Name columns under [source] that every "
                "row has, and start again."
            )
        return rows


class Sweep:
    """Reads every key there is, to find by their absence the rows that are gone without a trace."""

    def __init__(self, layout: Layout, name: str) -> None:
        self._scan = Scan(layout.database, layout.key, layout.key, layout.with_key, KEYS)
        self.name = name

    @property
    def done(self) -> bool:
        return self._scan.done

    @property
    def rest_seconds(self) -> float:
        return REST * self._scan.cost_seconds

    def page(self) -> Sequence[Raw]:
        return self._scan.page()
