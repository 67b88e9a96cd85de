"""Reading by snapshots: everything, again and again; what changed is found by comparing."""

import datetime as dt
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any

import sqlalchemy as sa

from connectors.source import Batch, Position
from connectors.sources.columns import Column
from connectors.sources.sql_database import Database, Raw, Shape
from connectors.sources.sql_lanes import REST, ROWS
from connectors.sources.sql_rows import RowMaker
from connectors.sources.sql_settings import SqlSettings

Page = tuple[Sequence[Raw], bool]

_PAGE = "~page"


class SnapshotReader:
    """Reads a table that tells nothing of its changes, all of it as of one moment.

    It is one statement from its first row to its last: having come to its end is what
    proves the snapshot whole.
    """

    def __init__(
        self,
        settings: SqlSettings,
        columns: Sequence[Column],
        database: Database,
        maker: RowMaker,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._names = [column.name for column in columns]
        self._database = database
        self._maker = maker
        self._clock = clock
        self._pages = 0
        self._under_way: Generator[Page] | None = None
        self._began = 0.0
        self._due = 0.0
        self._cost_seconds = 0.0

    def read(self, position: Position) -> Batch:
        """A page of the snapshot under way; none until the next is due."""
        under_way = self._go_on_or_begin(position)
        if under_way is None:
            return Batch((), position)
        began = time.perf_counter()
        page, last = next(under_way)
        self._under_way = under_way
        self._pages += 1
        batch = self._batch(page, last)
        self._cost_seconds += 2 * (time.perf_counter() - began)  # about as long again to compare it
        if last:
            self._under_way = None
            rest = max(self._settings.snapshot_seconds, REST * self._cost_seconds)
            self._due = time.monotonic() + rest
        return batch

    def _go_on_or_begin(self, position: Position) -> Generator[Page] | None:
        """The snapshot to read on in; one that another position interrupts is of no more use."""
        under_way, self._under_way = self._under_way, None  # an error while reading begins anew
        if under_way is not None:
            if position.get(_PAGE) == self._pages:
                return under_way
            under_way.close()
        elif time.monotonic() < self._due:
            return None
        self._began, self._cost_seconds = self._clock(), 0.0
        return self._read_all()

    def _batch(self, page: Sequence[Raw], last: bool) -> Batch:
        name = f"{self._settings.table} at {dt.datetime.fromtimestamp(self._began, dt.UTC).isoformat()}"
        return Batch(
            rows=self._maker.rows(page, int(self._clock() * 1_000_000)),
            position={_PAGE: self._pages},
            complete_to=int(self._began * 1_000_000) if last else None,
            more=not last,
            snapshot=name,
            snapshot_ends=last,
            current=True,
            one_a_key=True,
        )

    def _read_all(self) -> Generator[Page]:
        """Pages with whether each is the last; an empty table has one empty page."""
        before: Sequence[Raw] = ()
        for page in self._database.stream(self._statement, ROWS):
            if before:
                yield before, False
            before = page
        yield before, True

    def _statement(self, shape: Shape) -> sa.Select[Any]:
        columns = [shape.columns[name] for name in self._names]
        return sa.select(*columns).order_by(*(shape.columns[name] for name in self._settings.key))
