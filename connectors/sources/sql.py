"""A source that is a table or view of a database, read by watermark or by snapshots."""

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from connectors.source import Batch, Position
from connectors.sources.sql_database import Database, Shape
from connectors.sources.sql_rows import RowMaker
from connectors.sources.sql_settings import sql_settings
from connectors.sources.sql_snapshot import SnapshotReader
from connectors.sources.sql_watermark import WatermarkReader
from hub.forces import Feed


class SqlSource:
    """One table or view, opened read-only; nothing is connected before the first `read`."""

    def __init__(
        self, feed: Feed, location: str, secret: str | None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings, columns = sql_settings(feed)
        names = [column.name for column in columns]
        self._database = Database(str(feed), self._settings.table, names, location, secret)
        reader = SnapshotReader if self._settings.snapshot else WatermarkReader
        maker = RowMaker(str(feed), self._settings, columns)
        self._reader = reader(self._settings, columns, self._database, maker, clock)

    def read(self, position: Position) -> Batch:
        return self._reader.read(position)

    def count(self) -> int:
        """Rows of the table that are not flagged as deleted."""
        return int(self._database.fetch(self._live)[0][0])

    def close(self) -> None:
        self._database.close()

    def _live(self, shape: Shape) -> sa.Select[Any]:
        counted = sa.select(sa.func.count()).select_from(shape.table)
        flag = self._settings.deleted
        if flag is None:
            return counted
        column = shape.columns[flag.column]
        return counted.where(sa.or_(column.is_(None), column.not_in(flag.values)))
