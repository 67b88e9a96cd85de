"""Which rows a backfill wants: by key, or by when they were changed or created."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from connectors.messages import id_prefix
from connectors.source import Position, Refused, Row
from connectors.sources.sql_rows import LONDON
from connectors.sources.sql_settings import sql_settings
from connectors.sources.stated import columns
from hub.backfill import Backfill
from hub.domains import DOMAINS
from hub.errors import BadRecordError
from hub.forces import Feed

_UNKNOWN = -1
"""Stands for the time of reading, which is no time of the row."""


class Wanted:
    """Decides row by row. Times of creation are found by the feed's own mapping."""

    def __init__(self, feed: Feed, asked: Backfill) -> None:
        prefix = id_prefix(feed)
        self._keys = frozenset(key.removeprefix(prefix) for key in asked.keys)
        self._span = asked.span
        self._created = created_by(feed) if asked.span else None

    @property
    def by_time(self) -> bool:
        return self._span is not None

    def __call__(self, row: Row | Refused) -> bool:
        if self._span is None:
            return row.key in self._keys
        if not isinstance(row, Row) or row.key is None:
            return False
        return self._within(row.changed_at) or (
            self._created is not None and self._within(self._created(row))
        )

    def of(self, rows: Iterable[Row | Refused]) -> list[Row | Refused]:
        return [row for row in rows if self(row)]

    def _within(self, at: int | None) -> bool:
        return at is not None and self._span is not None and self._span[0] <= at < self._span[1]


def created_by(feed: Feed) -> Callable[[Row], int | None]:
    """Make what tells when the record of a row was created; None where the row does not say."""
    from hub.normalise.mapping import compile_mapping

    mapper, sort = compile_mapping(feed), DOMAINS[feed.domain].sort
    prefix = id_prefix(feed)
    nulls = dict.fromkeys(column.field for column in columns(feed))

    def created(row: Row) -> int | None:
        try:
            at = sort(mapper(_envelope(feed, prefix, row, nulls), feed.topic, 0, 0))
        except BadRecordError:
            return None
        return None if at == _UNKNOWN else at

    return created


def first_position(feed: Feed, asked: Backfill) -> Position:
    """Where the reading may begin: a table with a watermark not before the time asked for."""
    if asked.since is None or feed.source.get("kind") != "sql":
        return {}
    settings, columns = sql_settings(feed)
    mark = settings.watermark
    kinds = {column.name: column.kind for column in columns}
    if mark is None or kinds.get(mark.column) == "long":
        return {}
    local = asked.since.astimezone(LONDON if mark.local else dt.UTC)
    return {"watermark": local.replace(tzinfo=None, microsecond=0).isoformat(" ")}


def _envelope(feed: Feed, prefix: str, row: Row, nulls: Mapping[str, None]) -> dict[str, Any]:
    return {
        "record_id": f"{prefix}{row.key}",
        "system": feed.system,
        "key": row.key,
        "source_version": 1,
        "deleted": row.removed,
        "read_at": _UNKNOWN,
        "changed_at": row.changed_at,
        "source_position": row.place,
        "content_hash": bytes(16),
        "absent": row.absent,
        "row": {**nulls, **row.values},
    }
