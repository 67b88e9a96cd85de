"""Pages in JSON. Null, absent and false stay three things."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from connectors.source import Refused, Row
from connectors.sources.columns import Column, Kind
from connectors.sources.feed_page import ItemError, ItemReader, Page, PageError, key_of, micros, whole_number
from connectors.sources.feed_settings import FeedSettings, Removal

_TYPES: Mapping[Kind, tuple[type, ...]] = {
    "string": (str,),
    "long": (int,),
    "double": (int, float),
    "boolean": (bool,),
}
_LONG = 2**63
_SURROGATE = re.compile("[\ud800-\udfff\0]").search


class JsonPages:
    """Reads the pages of one feed; the names of a page are paths, with dots."""

    def __init__(self, settings: FeedSettings, columns: Sequence[Column]) -> None:
        self._settings = settings
        self._items = ItemReader(settings, columns)
        self._columns = {column.name: column for column in columns}
        self._readers = {column.name: (column.field, _reader(column)) for column in columns}

    def page(self, body: bytes, place: str) -> Page:
        root, names = _parsed(body), self._settings.page
        token = _at(root, names.next)
        page = Page(
            next=None if token in (None, "") else str(token), complete=_complete(_at(root, names.complete))
        )
        page.as_of = micros(_at(root, names.as_of)) if names.as_of else None
        items = _at(root, self._settings.item)
        if not isinstance(items, list):
            raise PageError(f"it has no list '{self._settings.item}'")
        for number, item in enumerate(items, 1):
            page.rows.append(self._row(item, f"{place}, item {number}", page.unread))
        if (removal := self._settings.removal) is not None:
            gone = _at(root, removal.item)
            if not isinstance(gone, list | None):
                raise PageError(f"it has no list '{removal.item}'")
            for number, item in enumerate(gone or (), 1):
                page.rows.append(self._removal(item, removal, f"{place}, removal {number}"))
        return page

    def count(self, body: bytes) -> int:
        count = _at(_parsed(body), self._settings.page.count)
        if isinstance(count, bool) or not isinstance(count, int):
            raise PageError("it states no count")
        return count

    def _row(self, item: Any, place: str, unread: set[str]) -> Row | Refused:
        if not isinstance(item, dict):
            return _refused(item, None, "It is no object; mend it in the source.", place, None)
        try:
            return self._items.row(self._stated(item, unread), place)
        except ItemError as error:
            named = {
                name: _named(self._columns[name], value)
                for name, value in item.items()
                if name in self._columns
            }
            return _refused(
                item, named, str(error), place, key_of(item.get(name) for name in self._settings.key)
            )

    def _stated(self, item: Mapping[str, Any], unread: set[str]) -> dict[str, Any]:
        stated: dict[str, Any] = {}
        for name, value in item.items():
            known = self._readers.get(name)
            if known is None:
                unread.add(f"{self._settings.item}/{name[:60]}")
                continue
            field, reader = known
            try:
                stated[field] = None if value is None else reader(value)
            except ItemError as error:
                raise ItemError(f"'{name}' {error}; mend it in the source.") from None
        return stated

    def _removal(self, item: Any, removal: Removal, place: str) -> Row | Refused:
        if not isinstance(item, dict):
            return _refused(item, None, "It is no object; mend it in the source.", place, None)
        key = key_of(item.get(name) for name in removal.key)
        try:
            version = whole_number(item.get(removal.version)) if removal.version else None
        except ItemError as error:
            named = {name: item[name] for name in (*removal.key, removal.version or "") if name in item}
            return _refused(item, named, str(error), place, key)
        return Row(key, {}, place, version, removed=True)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise PageError("it is not JSON") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _at(root: Any, path: str) -> Any:
    for name in path.split("."):
        root = root.get(name) if isinstance(root, dict) else None
    return root


def _complete(stated: Any) -> bool:
    if not isinstance(stated, bool):
        raise PageError("it does not say whether it is complete")
    return stated


def _reader(column: Column) -> Callable[[Any], Any]:
    if column.kind == "list":
        return _list_reader(column)
    types: Any = _TYPES[column.kind]
    refuse_bool = column.kind != "boolean"

    def read(value: Any) -> Any:
        if not isinstance(value, types) or (refuse_bool and isinstance(value, bool)):
            raise ItemError(f"is not the {column.kind} that the schema says")
        if (fault := _fault(value)) is not None:
            raise ItemError(fault)
        return float(value) if column.kind == "double" else value

    return read


def _fault(value: Any) -> str | None:
    """Why a value of the right type cannot be kept: neither Avro nor the store would hold it."""
    if isinstance(value, str):
        if value.isascii():
            return "holds a NUL" if "\0" in value else None
        return "holds half a character or a NUL" if _SURROGATE(value) else None
    if isinstance(value, int):
        return None if -_LONG <= value < _LONG else "is a number too large"
    return None if math.isfinite(value) else "is no finite number"


def _list_reader(column: Column) -> Callable[[Any], Any]:
    if not column.parts:
        assert column.item is not None
        member = _reader(Column(column.field, column.name, column.item))
    else:
        parts = [(part, _reader(part)) for part in column.parts]

        def member(value: Any) -> Any:
            if not isinstance(value, dict):
                raise ItemError("holds what is no object")
            return {
                part.field: None if value.get(part.name) is None else read(value[part.name])
                for part, read in parts
            }

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise ItemError("is no list")
        return [member(each) for each in value]

    return read


def _named(column: Column, value: Any) -> Any:
    """A value without what is not asked for in it."""
    if column.kind != "list":
        return None if isinstance(value, dict | list) else value
    names = {part.name for part in column.parts}
    members = value if isinstance(value, list) else ()
    if names:
        return [
            {name: each[name] for name in names & each.keys()} for each in members if isinstance(each, dict)
        ]
    return [each for each in members if not isinstance(each, dict | list)]


def _refused(item: Any, named: Mapping[str, Any] | None, reason: str, place: str, key: str | None) -> Refused:
    original = json.dumps(item).encode()
    raw = None if named is None else json.dumps(named).encode()
    return Refused(reason, place, raw, len(original), hashlib.sha256(original).hexdigest(), key)
