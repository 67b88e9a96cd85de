"""What a page of a feed holds, and how its values are made what the schema says."""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from connectors.source import Refused, Row
from connectors.sources.columns import Column, Kind
from connectors.sources.feed_settings import FeedSettings
from connectors.sources.keys import joined_key

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_LONG = 2**63
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,19}").fullmatch
_TRUE, _FALSE = frozenset(("true", "1")), frozenset(("false", "0"))


class PageError(Exception):
    """What came is no page of this feed. The feed may mend, so it is asked again."""


class UnsafePageError(Exception):
    """The page declares a document type or entities, which no feed of data needs."""


class ItemError(Exception):
    """One item cannot be decoded; the others can."""


@dataclass(slots=True)
class Page:
    """One page. `unread` names what it holds beyond what is asked for."""

    rows: list[Row | Refused] = field(default_factory=list)
    next: str | None = None
    complete: bool = False
    as_of: int | None = None
    unread: set[str] = field(default_factory=set)


class Pages(Protocol):
    """Reads the pages of one format. Both verbs raise PageError and UnsafePageError."""

    def page(self, body: bytes, place: str) -> Page: ...

    def count(self, body: bytes) -> int: ...


class ItemReader:
    """What the two formats share: key, version and instant of change of the values of one item."""

    def __init__(self, settings: FeedSettings, columns: Sequence[Column]) -> None:
        by_name = {column.name: column.field for column in columns}
        self._nulls: dict[str, Any] = dict.fromkeys(by_name.values())
        self._key = [by_name[name] for name in settings.key]
        self._version = by_name[settings.version_column] if settings.version_column else None
        self._changed = by_name[settings.changed] if settings.changed else None

    def row(self, stated: Mapping[str, Any], place: str) -> Row:
        """Make a row of the values an item states; ItemError where its version is none."""
        absent = (
            [name for name in self._nulls if name not in stated] if len(stated) < len(self._nulls) else ()
        )
        version = None if self._version is None else whole_number(stated.get(self._version))
        changed = None if self._changed is None else micros(stated.get(self._changed))
        return Row(self.key(stated), {**self._nulls, **stated}, place, version, False, absent, changed)

    def key(self, stated: Mapping[str, Any]) -> str | None:
        return key_of(stated.get(name) for name in self._key)


def key_of(parts: Iterable[Any]) -> str | None:
    """Join the parts of a key; None where one of them is blank."""
    return joined_key("" if part is None else str(part) for part in parts)


def whole_number(value: Any) -> int:
    """A version as the source states it; ItemError where it is no whole number."""
    if isinstance(value, str):
        value = long(value.strip())
    if isinstance(value, bool) or not isinstance(value, int):
        raise ItemError("Its version is no whole number; mend it in the source.")
    return value


def micros(value: Any) -> int | None:
    """An ISO instant in microseconds UTC; None where it is none or states no offset."""
    try:
        instant = dt.datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return None
    return None if instant.tzinfo is None else (instant - _EPOCH) // _MICROSECOND


def long(text: str) -> int:
    """A whole number that Avro can hold."""
    if not _WHOLE_NUMBER(text) or not -_LONG <= (number := int(text)) < _LONG:
        raise ItemError("is no whole number")
    return number


def double(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ItemError("is no number") from None


def boolean(text: str) -> bool:
    if text not in _TRUE | _FALSE:
        raise ItemError("is neither true nor false")
    return text in _TRUE


FROM_TEXT: Mapping[Kind, Callable[[str], Any]] = {
    "string": str,
    "long": long,
    "double": double,
    "boolean": boolean,
}
"""How a text becomes a value of a kind; ItemError where it cannot."""
