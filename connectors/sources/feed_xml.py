"""Pages in XML, parsed with entities, document types and the network off."""

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from lxml import etree

from connectors.source import Refused, Row
from connectors.sources.columns import Column
from connectors.sources.feed_page import (
    FROM_TEXT,
    ItemError,
    ItemReader,
    Page,
    PageError,
    UnsafePageError,
    key_of,
    micros,
    whole_number,
)
from connectors.sources.feed_settings import FeedSettings

_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_YES, _NO = ("true", "1"), ("false", "0")
_PROLOG = 64 * 1024
_ROOT = re.compile(rb"<[A-Za-z_:]").search


class XmlPages:
    """Reads the pages of one feed. An element is known by its name, whatever its namespace."""

    def __init__(self, settings: FeedSettings, columns: Sequence[Column]) -> None:
        self._settings = settings
        self._items = ItemReader(settings, columns)
        self._readers = {column.name: (column.field, self._reader(column)) for column in columns}
        self._columns = {column.name: column for column in columns}

    def page(self, body: bytes, place: str) -> Page:
        root = self._root(body)
        names = self._settings.page
        if _name(root) != names.root:
            raise PageError(f"its root element is not {names.root}")
        page = Page(next=root.get(names.next) or None, complete=_complete(root.get(names.complete)))
        page.as_of = micros(root.get(names.as_of)) if names.as_of else None
        for number, element in enumerate(root, 1):
            row = self._row(element, f"{place}, item {number}", page.unread)
            if row is not None:
                page.rows.append(row)
        return page

    def count(self, body: bytes) -> int:
        root = self._root(body)
        stated = root.get(self._settings.page.count) or root.text or ""
        if not stated.strip().isdecimal():
            raise PageError("it states no count")
        return int(stated)

    def _root(self, body: bytes) -> Any:
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        if _declares_type(body):
            raise UnsafePageError
        try:
            root = etree.fromstring(body, parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            raise PageError("it is not well formed" + (f" (line {line})" if line else "")) from None
        if root.getroottree().docinfo.internalDTD is not None:
            raise UnsafePageError
        return root

    def _row(self, element: Any, place: str, unread: set[str]) -> Row | Refused | None:
        name, removal = _name(element), self._settings.removal
        try:
            if name == self._settings.item:
                return self._items.row(self._stated(element, unread), place)
            if removal is not None and name == removal.item:
                version = whole_number(_part(element, removal.version)) if removal.version else None
                key = key_of(_part(element, part) for part in removal.key)
                return Row(key, {}, place, version, removed=True)
        except ItemError as error:
            return self._refused(element, str(error), place)
        unread.add(name)
        return None

    def _stated(self, item: Any, unread: set[str]) -> dict[str, Any]:
        stated: dict[str, Any] = {}
        readers = self._readers
        for element in item:
            known = readers.get(element.tag) or readers.get(_name(element))
            if known is None:
                unread.add(f"{_name(item)}/{_name(element)[:60]}")
                continue
            field, reader = known
            text = element.text if reader is _text else None
            if text is not None and field not in stated and not len(element):
                stated[field] = text  # the quick way for most
            else:
                stated[field] = self._value(element, reader, twice=field in stated)
        return stated

    def _value(self, element: Any, reader: Callable[[Any], Any], *, twice: bool) -> Any:
        fault = "stands in it twice"
        try:
            if not twice:
                return reader(element)
        except ItemError as error:
            fault = str(error)
        raise ItemError(f"Element '{_name(element)}' {fault}; mend it in the source.")

    def _reader(self, column: Column) -> Callable[[Any], Any]:
        if column.kind == "list":
            return self._list_reader(column)
        from_text = FROM_TEXT[column.kind]
        if column.kind == "string":
            return _text

        def read(element: Any) -> Any:
            text = _text(element)
            return from_text(text.strip()) if text else None

        return read

    def _list_reader(self, column: Column) -> Callable[[Any], Any]:
        name, member = self._settings.lists[column.name], _member_reader(column)

        def read(element: Any) -> Any:
            if not len(element) and element.get(_NIL) in _YES:
                return None
            return [member(each) for each in element if each.tag == name or _name(each) == name]

        return read

    def _refused(self, element: Any, reason: str, place: str) -> Refused:
        """Keep an item as refused, with the elements that are asked for and no others."""
        original = etree.tostring(element, with_tail=False)
        raw = etree.tostring(self._named(element))
        key = key_of(element.findtext(f"{{*}}{name}") for name in self._settings.key)
        return Refused(reason, place, raw, len(original), hashlib.sha256(original).hexdigest(), key)

    def _named(self, element: Any) -> Any:
        clean = etree.Element(_name(element))
        if clean.tag != self._settings.item and self._settings.removal is not None:
            removal = self._settings.removal
            for part in (*removal.key, *((removal.version,) if removal.version else ())):
                if (text := _part(element, part)) is not None:
                    clean.set(part, text)
            return clean
        for child in element:
            if (column := self._columns.get(_name(child))) is not None:
                self._copy(column, child, etree.SubElement(clean, column.name))
        return clean

    def _copy(self, column: Column, child: Any, copy: Any) -> None:
        if column.kind != "list":
            copy.text = child.text
            return
        name = self._settings.lists[column.name]
        for member in child:
            if _name(member) != name:
                continue
            twin = etree.SubElement(copy, name)
            if not column.parts:
                twin.text = member.text
            for part in column.parts:
                if (text := _part(member, part.name)) is not None:
                    twin.set(part.name, text)


def _member_reader(column: Column) -> Callable[[Any], Any]:
    if column.item is not None:
        from_text = FROM_TEXT[column.item]
        return lambda member: from_text(_text(member) or "")
    parts = [(part.field, part.name, FROM_TEXT[part.kind]) for part in column.parts]

    def read(member: Any) -> Any:
        record = {}
        for field, name, from_text in parts:
            text = _part(member, name)
            record[field] = None if text is None else from_text(text)
        return record

    return read


def _name(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _text(element: Any) -> str | None:
    if len(element):
        raise ItemError("holds elements where text was expected")
    text = element.text
    if text is None:
        return None if element.get(_NIL) in _YES else ""
    return str(text)


def _part(element: Any, name: str) -> str | None:
    """An attribute, or the text of an element in it."""
    text = element.get(name)
    return element.findtext(f"{{*}}{name}") if text is None else text  # type: ignore[no-any-return]


def _complete(stated: str | None) -> bool:
    if stated not in _YES + _NO:
        raise PageError("it does not say whether it is complete")
    return stated in _YES


def _declares_type(body: bytes) -> bool:
    """Whether a document type stands before the root element, in any encoding that XML may come in."""
    head = body[:_PROLOG].replace(b"\0", b"")
    root = _ROOT(head)
    return b"<!DOCTYPE" in (head[: root.start()] if root else head)
