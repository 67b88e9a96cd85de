"""A row that was set aside, read once more by its source's own parser, as the source is configured now."""

import json
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

from connectors.changes import TIME_STEPS
from connectors.source import Refused, Row
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
from hub.dead_letters.rows import Form, ParsedRow
from hub.errors import BadRecordError, HubError
from hub.forces import Feed


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
        return _of_item(feed, value)
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
        stated = None if at is None else at * TIME_STEPS
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


def _of_item(feed: Feed, value: bytes) -> ParsedRow:
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
