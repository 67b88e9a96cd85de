"""Scans: the pages of one query in the order of some columns, each page a short statement."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from connectors.sources.sql_database import Database, Raw, Shape

Where = Callable[[Shape], Sequence[sa.ColumnElement[bool]]]

_ROW_SECONDS = 30e-6
"""About what reading a row again costs on the whole way to finding it unchanged."""


class Scan:
    """Reads on after the last row of the page before, so that rows may move meanwhile.

    No statement outlives its page, which locks nothing in the source and never shows a row
    older than one already read. `cost_seconds` is what the scan has cost so far.
    """

    def __init__(
        self,
        database: Database,
        names: Sequence[str],
        order: Sequence[str],
        where: Where,
        limit: int,
        after: Sequence[Any] | None = None,
    ) -> None:
        self._database = database
        self._names = names
        self._order = order
        self._places = [names.index(name) for name in order]
        self._where = where
        self._limit = limit
        self.after = after
        self.done = False
        self.cost_seconds = 0.0

    def page(self) -> Sequence[Raw]:
        """The next page; `done` says that it was the last."""
        began = time.perf_counter()
        rows = self._database.fetch(self._statement)
        self.cost_seconds += time.perf_counter() - began + len(rows) * _ROW_SECONDS
        self.done = len(rows) < self._limit
        if rows:
            self.after = [rows[-1][place] for place in self._places]
        return rows

    def _statement(self, shape: Shape) -> sa.Select[Any]:
        order = [shape.columns[name] for name in self._order]
        conditions = list(self._where(shape))
        if self.after is not None:
            conditions += [order[0] >= self.after[0], _after(order, self.after)]
        return (
            sa.select(*(shape.columns[name] for name in self._names))
            .where(*conditions)
            .order_by(*order)
            .limit(self._limit)
        )


def _after(order: Sequence[sa.ColumnElement[Any]], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Rows behind these values in this order, written out since not every database compares tuples."""
    column, value = order[0], values[0]
    behind: sa.ColumnElement[bool] = column > value
    if len(order) == 1:
        return behind
    return sa.or_(behind, sa.and_(column == value, _after(order[1:], values[1:])))
