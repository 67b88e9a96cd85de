"""Rows from dead letters on their way again: read by their source's own parser, checked, given a version.

The connector is the one owner of a feed's versions and of its transactional id, so only it
publishes what an operator replays; it answers in the transaction in which it does.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

from connectors.publisher import Publisher
from connectors.source import Batch, Refused, Row
from connectors.sources.columns import Column
from connectors.sources.drop_file import DropFile
from connectors.sources.feed_json import JsonPages
from connectors.sources.feed_page import PageError, UnsafePageError
from connectors.sources.feed_settings import FeedSettings, feed_settings
from connectors.sources.feed_xml import XmlPages
from connectors.sources.files_settings import FilesSettings, files_settings
from connectors.sources.keys import joined_key
from connectors.sources.rows import Made
from connectors.sources.sql_rows import micros
from connectors.sources.sql_settings import SqlSettings, sql_settings
from connectors.sources.stated import columns
from hub.bus.contract import Bus
from hub.control import REPLAY, Control, Wish
from hub.dead_letters.rows import (
    FAILED,
    PUBLISHED,
    STALE,
    UNCHANGED,
    Answer,
    Form,
    ParsedRow,
    answer_of,
    answered,
    asked_value,
    newest_events,
    overtaken,
    refuse_misfit,
)
from hub.errors import BadRecordError, HubError
from hub.forces import Feed
from hub.kill_points import reached
from hub.schema.codec import Codec

_TIME_STEPS = 1000
_AT_ONCE = 500
"""Rows that share a transaction: those asked while the connector was away may be very many."""
_LATE = "A newer row of this key has been published since."


class Replays:
    """Takes rows in again for one feed."""

    def __init__(self, feed: Feed, bus: Bus, codec: Codec) -> None:
        self._feed = feed
        self._bus = bus
        self._codec = codec
        self._control = Control(bus, codec)
        self._encode = codec.encoder(feed.control_topic)

    def take(self, publisher: Publisher, wishes: Iterable[Wish], at: int) -> None:
        """Publish what the rows change that wait among these wishes, each committed with its answer.

        Every row counts as read once more (invariant 5). What waits is read anew from the bus:
        a row whose answer is there must not be compared with what became of itself.
        """
        if not rows_to_replay(wishes):
            return
        standing = [w for name, w in self._control.read(self._feed).items() if name.startswith(REPLAY)]
        waiting = rows_to_replay(standing)
        events: dict[str, Mapping[str, Any]] | None = None
        for number, wish in enumerate(waiting, 1):
            row = self._parsed(wish)
            if isinstance(row, ParsedRow) and events is None:
                events = self._events(publisher, waiting)
            answer = row if isinstance(row, Answer) else self._publish(publisher, wish, row, events or {})
            publisher.answer(wish.name, self._encode(self._record(wish, answer)))
            if number % _AT_ONCE == 0 or number == len(waiting):
                reached(3, "connect.replays:before")
                publisher.part(at)
                reached(3, "connect.replays:after")

    def _parsed(self, wish: Wish) -> ParsedRow | Answer:
        about, value, form = asked_value(wish)
        try:
            row = parse_row(self._feed, about, value, form)
            refuse_misfit(self._feed, self._codec, row)
        except BadRecordError as error:
            return Answer(FAILED, str(error))
        return row

    def _events(self, publisher: Publisher, wishes: Iterable[Wish]) -> dict[str, Mapping[str, Any]]:
        """What was last published of the keys; the topic is read only where there is something of one."""
        rows = [row for wish in wishes if isinstance(row := self._parsed(wish), ParsedRow)]
        known = publisher.state.lookup([row.key for row in rows if row.key is not None])
        reached(4, "connect.overtaken:before")
        events = newest_events(self._bus, self._codec, self._feed, known)
        reached(4, "connect.overtaken:after")
        return events

    def _publish(
        self, publisher: Publisher, wish: Wish, row: ParsedRow, events: Mapping[str, Mapping[str, Any]]
    ) -> Answer:
        """Publish as read when it was set aside, so that a later row of its key counts as newer."""
        about, _, _ = asked_value(wish)
        assert row.key is not None
        if overtaken(row, about["at"], events.get(row.key)):
            return Answer(STALE, _LATE)
        again = Row(row.key, row.values, f"{about['source_position']}, replayed", row.version, row.removed)
        published, _ = publisher.take(publisher.changes.of(Batch([again], {})), about["at"])
        return Answer(PUBLISHED if published else UNCHANGED)

    def _record(self, wish: Wish, answer: Answer) -> dict[str, Any]:
        return {
            "force": self._feed.force,
            "domain": self._feed.domain,
            "name": wish.name,
            "value": json.dumps(answered(answer)),
            "by": wish.by,
            "reason": wish.reason,
            "at": wish.at,
        }


def rows_to_replay(wishes: Iterable[Wish]) -> list[Wish]:
    """The wishes for rows that have no answer yet, in the order in which they were asked."""
    return [wish for wish in wishes if answer_of(wish) is None]


def parse_row(feed: Feed, about: Mapping[str, Any], value: bytes, form: Form) -> ParsedRow:
    """Read a row set aside at stage read: its original bytes, or edited columns as JSON.

    `BadRecordError` where it still cannot be read.
    """
    values = _columns_as_json(feed, value)
    if values is not None:
        return ParsedRow(None, values, None, False) if form is Form.LOOSE else _of_columns(feed, values)
    if form is Form.EDITED:
        raise BadRecordError("The edited row is no JSON object of columns.")
    kind = feed.source["kind"]
    if kind == "files":
        return _of_line(feed, about, value, form)
    if kind == "feed":
        return _of_item(feed, about, value)
    raise BadRecordError("The original is not the columns of a row.")


def _columns_as_json(feed: Feed, value: bytes) -> dict[str, Any] | None:
    """The columns, under the names of the schema, where the bytes are a JSON object of nothing else."""
    try:
        values = json.loads(value)
    except (ValueError, RecursionError):
        return None
    fields = {column.field for column in columns(feed)}
    return values if isinstance(values, dict) and values and values.keys() <= fields else None


def _of_columns(feed: Feed, values: Mapping[str, Any]) -> ParsedRow:
    match feed.source["kind"]:
        case "sql":
            return _sql_row(*sql_settings(feed), values)
        case "files":
            return _file_row(*files_settings(feed), values)
        case _:
            return _feed_row(*feed_settings(feed), values)


def _sql_row(settings: SqlSettings, asked: Sequence[Column], values: Mapping[str, Any]) -> ParsedRow:
    named = _by_source(asked, values)
    flag = settings.deleted
    removed = flag is not None and named.get(flag.column) in flag.values
    stated = named.get(settings.version_column) if settings.version_column else None
    if isinstance(stated, str):
        at = micros(stated, local=False, read_at=0)
        stated = None if at is None else at * _TIME_STEPS
    return ParsedRow(_key(settings.key, named), values, _version(settings.version_column, stated), removed)


def _file_row(settings: FilesSettings, asked: Sequence[Column], values: Mapping[str, Any]) -> ParsedRow:
    named = _by_source(asked, values)
    only = settings.only
    if only is not None and str(named.get(only.column, only.equals)).strip() != only.equals:
        raise BadRecordError(f"Column '{only.column}' names another force, or none that is known.")
    column = settings.removed_column
    removed = (
        column is not None and settings.removed is not None and named.get(column) in settings.removed.values
    )
    stated = named.get(settings.version_column) if settings.version_column else None
    return ParsedRow(_key(settings.key, named), values, _version(settings.version_column, stated), removed)


def _feed_row(settings: FeedSettings, asked: Sequence[Column], values: Mapping[str, Any]) -> ParsedRow:
    named = _by_source(asked, values)
    stated = named.get(settings.version_column) if settings.version_column else None
    return ParsedRow(_key(settings.key, named), values, _version(settings.version_column, stated), False)


def _by_source(asked: Sequence[Column], values: Mapping[str, Any]) -> dict[str, Any]:
    return {column.name: values.get(column.field) for column in asked}


def _key(names: Iterable[str], named: Mapping[str, Any]) -> str | None:
    return joined_key("" if named.get(name) is None else str(named[name]) for name in names)


def _version(column: str | None, stated: Any) -> int | None:
    """The source's own version; `BadRecordError` where it should state one and does not."""
    if column is None:
        return None
    try:
        return int(stated)
    except (TypeError, ValueError):
        raise BadRecordError(f"Its version, '{column}', is not a whole number.") from None


def _of_line(feed: Feed, about: Mapping[str, Any], value: bytes, form: Form) -> ParsedRow:
    settings, asked = files_settings(feed)
    if form is Form.LOOSE:
        settings = settings.model_copy(update={"only": None, "version": "observed"})
    names = about.get("columns") or ()
    if not names:
        raise BadRecordError("The names of the line's columns were not kept; give its columns as JSON.")
    plain = settings.model_copy(update={"header": tuple(names), "fixed": ()})
    made = Made()
    try:
        file = DropFile(feed, plain, asked, "", BytesIO(value), len(value))
        file.read(1, made)
    except HubError as error:
        raise BadRecordError(f"The line cannot be read as its source is configured now: {error}") from error
    if made.other_force:
        raise BadRecordError("The row is another force's, as the source is configured now.")
    return _only_row(made.rows)


def _of_item(feed: Feed, about: Mapping[str, Any], value: bytes) -> ParsedRow:
    """Put the item on a page of its own, so that the feed's own reader reads it."""
    settings, asked = feed_settings(feed)
    try:
        page = (
            XmlPages(settings, asked).page(_xml_page(settings, value), "")
            if settings.format == "xml"
            else JsonPages(settings, asked).page(_json_page(settings, value), "")
        )
    except (PageError, UnsafePageError) as error:
        raise BadRecordError(f"The item cannot be read: {error or 'it declares a type'}.") from None
    del about
    return _only_row(page.rows)


def _xml_page(settings: FeedSettings, value: bytes) -> bytes:
    names = settings.page
    return f'<{names.root} {names.complete}="true">'.encode() + value + f"</{names.root}>".encode()


def _json_page(settings: FeedSettings, value: bytes) -> bytes:
    page: dict[str, Any] = {}
    _put(page, settings.page.complete, True)
    try:
        _put(page, settings.item, [json.loads(value)])
    except (ValueError, RecursionError):
        raise BadRecordError("The item is not JSON.") from None
    return json.dumps(page).encode()


def _put(page: dict[str, Any], path: str, value: Any) -> None:
    *above, name = path.split(".")
    for each in above:
        page = page.setdefault(each, {})
    page[name] = value


def _only_row(rows: Sequence[Row | Refused]) -> ParsedRow:
    if len(rows) != 1:
        raise BadRecordError(f"The original holds {len(rows)} rows; give its columns as JSON.")
    (row,) = rows
    if isinstance(row, Refused):
        raise BadRecordError(row.reason)
    return ParsedRow(row.key, row.values, row.version, row.removed)
