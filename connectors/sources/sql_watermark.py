"""Reading by watermark: ahead from the newest, and again over what may have come late.

The head is read at each poll. In between, page by page and for a tenth of the time each at
most, three more scans go on. An overlap goes back behind the newest by the longest
transaction, and in the October night further, since local time runs back; only its end
proves what is complete. Where time is local, a far one always goes back further, for what no
settings foresaw. A sweep of keys finds rows that are gone without a trace.
"""

import datetime as dt
import time
from collections import deque
from collections.abc import Callable, Sequence

from connectors.source import Batch, Position
from connectors.sources.columns import Column
from connectors.sources.sql_database import Database, Raw
from connectors.sources.sql_lanes import Began, Head, Layout, Overlap, Sweep
from connectors.sources.sql_marks import Marks
from connectors.sources.sql_rows import RowMaker
from connectors.sources.sql_settings import SqlSettings

_PAGE = "~page"
_MARK = "watermark"


class WatermarkReader:
    """Reads a table that has a column which every change raises."""

    def __init__(
        self,
        settings: SqlSettings,
        columns: Sequence[Column],
        database: Database,
        maker: RowMaker,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._columns = columns
        self._database = database
        self._maker = maker
        self._clock = clock
        self._lanes: _Lanes | None = None
        self._pages = 0

    def read(self, position: Position) -> Batch:
        """One page. A position that is not the one this reader gave last begins anew from it."""
        if self._lanes is None or position.get(_PAGE) != self._pages:
            self._lanes = self._begin(position)
        lanes, self._lanes = self._lanes, None  # an error below begins anew
        lanes.step()
        self._lanes = lanes
        self._pages += 1
        return self._batch(lanes)

    def _begin(self, position: Position) -> "_Lanes":
        assert self._settings.watermark is not None
        mark = self._settings.watermark.column
        number = next(column.kind for column in self._columns if column.name == mark) == "long"
        native = mark in self._database.shape.times
        marks = Marks(self._settings, number=number, native=native, clock=self._clock)
        names = [column.name for column in self._columns]
        layout = Layout(self._database, names, self._settings.key, mark, marks)
        return _Lanes(layout, self._settings, marks.from_json(position.get(_MARK)), self._clock)

    def _batch(self, lanes: "_Lanes") -> Batch:
        read_at = int(self._clock() * 1_000_000)
        position = {_PAGE: self._pages}
        if lanes.newest is not None:
            position[_MARK] = lanes.layout.marks.to_json(lanes.newest)
        return Batch(
            rows=self._maker.keys(lanes.rows) if lanes.swept else self._maker.rows(lanes.rows, read_at),
            position=position,
            complete_to=None if lanes.proved is None else int(lanes.proved * 1_000_000),
            more=lanes.more,
            snapshot=lanes.swept,
            snapshot_ends=lanes.swept is not None and lanes.sweep is None,
            keys_only=lanes.swept is not None,
            current=True,
        )


class _Lanes:
    """Whose turn it is. A step leaves its page in `rows` and what it proves in `proved`."""

    def __init__(
        self, layout: Layout, settings: SqlSettings, newest: object, clock: Callable[[], float]
    ) -> None:
        self.layout = layout
        self._settings = settings
        self._clock = clock
        self._first = True
        self._head = Head(layout, newest, clock)
        self._head_was_last = False
        low = None if newest is None else layout.marks.back(newest)
        self._overlap: Overlap | None = Overlap(layout, low, newest, clock, to_the_end=True)
        self._far: Overlap | None = None
        self._overlap_due = self._far_due = self._sweep_due = 0.0
        self._turns = deque((self._read_overlap, self._read_far, self._read_sweep))
        self._proving: Began | None = None
        self.sweep: Sweep | None = None
        self.rows: Sequence[Raw] = ()
        self.swept: str | None = None
        self.proved: float | None = None

    @property
    def newest(self) -> object:
        return self._head.newest

    @property
    def more(self) -> bool:
        return self._behind or self._head.scanning or self._proving is not None

    @property
    def _behind(self) -> bool:
        return self._overlap is not None or self._far is not None or self.sweep is not None

    def step(self) -> None:
        self.swept = self.proved = None
        self._schedule()
        self._head_was_last = not (self._behind and (self._first or self._head_was_last))
        if self._head_was_last:
            self._read_head()
        else:
            self._read_behind()

    def _schedule(self) -> None:
        """Begin what is due, once the head has nothing waiting."""
        if self._first or self._head.scanning or self._proving is not None:
            return
        now, marks, sweeps = time.monotonic(), self.layout.marks, self._settings.sweep_seconds is not None
        if self._overlap is None and now >= self._overlap_due:
            self._overlap = self._overlap_from(marks.back_to_prove)
        if self._far is None and marks.prove_nearer and now >= self._far_due:
            self._far = self._overlap_from(marks.back)
        if self.sweep is None and sweeps and now >= self._sweep_due:
            began = dt.datetime.fromtimestamp(self._clock(), dt.UTC)
            self.sweep = Sweep(self.layout, f"keys of {self._settings.table} at {began.isoformat()}")

    def _read_behind(self) -> None:
        """The scans under way take turns, so that none waits for another."""
        while not self._turns[0]():
            self._turns.rotate(-1)
        self._turns.rotate(-1)

    def _overlap_from(self, back: Callable[[object], object]) -> Overlap:
        newest = self.newest
        return Overlap(self.layout, None if newest is None else back(newest), newest, self._clock)

    def _read_head(self) -> None:
        self.rows = self._head.page()
        if self._proving is not None and not self._head.scanning and self._head.began > self._proving:
            self.proved, self._proving = self._proving.at, None

    def _read_overlap(self) -> bool:
        overlap = self._overlap
        if overlap is None:
            return False
        self.rows = overlap.page()
        if self._first:
            self._head = Head(self.layout, overlap.newest, self._clock)
        if overlap.done:
            self._end_overlap(overlap)
        return True

    def _end_overlap(self, overlap: Overlap) -> None:
        self._overlap = None
        # The first of a start reads more than the next will, so its cost says nothing of theirs.
        rest = 0.0 if self._first else overlap.rest_seconds
        self._overlap_due = _due(self._settings.overlap_every_seconds, rest)
        if self._first:
            self._far_due = self._overlap_due
            self._first, self.proved = False, overlap.began.at
        else:
            self._proving = overlap.began

    def _read_far(self) -> bool:
        far = self._far
        if far is None:
            return False
        self.rows = far.page()
        if far.done:
            self._far = None
            self._far_due = _due(self._settings.overlap_every_seconds, far.rest_seconds)
        return True

    def _read_sweep(self) -> bool:
        sweep = self.sweep
        if sweep is None:
            return False
        self.rows, self.swept = sweep.page(), sweep.name
        if sweep.done:
            self.sweep = None
            self._sweep_due = _due(self._settings.sweep_seconds or 0.0, sweep.rest_seconds)
        return True


def _due(least: float, rest: float) -> float:
    return time.monotonic() + max(least, rest)
