"""Which rows a backfill wants: by key, or by when they were changed or created."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from connectors.messages import id_prefix
from connectors.source import Position, Refused, Row
from connectors.sources.places import set_back
from connectors.sources.sql_rows import LONDON
from connectors.sources.sql_settings import Watermark, sql_settings
from connectors.sources.stated import columns
from hub.backfill import Backfill
from hub.domains import DOMAINS
from hub.errors import BadQueryError, BadRecordError
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


def refuse(feed: Feed, asked: Backfill) -> None:
    """Raise `BadQueryError` where nothing could come of it, with what to do instead."""
    if feed.source.get("kind") == "sql" and feed.source.get("snapshot"):
        raise BadQueryError(
            f"{feed} is read whole each time and compared with what was published, so the next reading takes "
            f"whatever was missed; there is nothing to read again."
        )
    if asked.span is not None and not DOMAINS[feed.domain].dated and not _tells_changes(feed):
        of = f"{feed.force} {feed.domain}"
        raise BadQueryError(
            f"{feed} does not say when a row was made or changed, so a time names none of them. Name keys, "
            f"or have the whole read again: alliance-hub connectors stop {of}, "
            f"alliance-hub positions reset {of} --reason WHY, alliance-hub connectors resume {of}."
        )


def first_position(feed: Feed, asked: Backfill, live: Position) -> Position:
    """Where the reading begins: a watermark at the time asked for, snapshots at the newest file."""
    match feed.source.get("kind"):
        case "sql" if asked.since is not None:
            return _first_watermark(feed, asked.since)
        case "files" if feed.source.get("mode") == "snapshot":
            return set_back(feed, live, None)
    return {}


def _first_watermark(feed: Feed, since: dt.datetime) -> Position:
    mark = _time_mark(feed)
    if mark is None:
        return {}
    local = since.astimezone(LONDON if mark.local else dt.UTC)
    return {"watermark": local.replace(tzinfo=None, microsecond=0).isoformat(" ")}


def _tells_changes(feed: Feed) -> bool:
    """Whether rows come with their time of change."""
    if feed.source.get("kind") == "sql":
        return _time_mark(feed) is not None
    return bool(feed.source.get("changed"))


def _time_mark(feed: Feed) -> Watermark | None:
    """The watermark of a table, where it is a time."""
    settings, columns = sql_settings(feed)
    mark = settings.watermark
    kinds = {column.name: column.kind for column in columns}
    return None if mark is None or kinds.get(mark.column) == "long" else mark


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
