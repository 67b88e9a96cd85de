"""Turns an alliance record into JSON, with the fields left out that the caller may not see."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from hub.domains import Domain
from hub.events import iso_micros
from hub.forces import SCHEMAS

Present = Callable[[Any, frozenset[str]], Any]


class Presenter:
    """Presents records of one domain, by its alliance schema.

    Instants become RFC 3339 texts in UTC, blank texts null. A field whose class the caller may
    not see is absent, and `withheld` names it. A restricted record shows its stub alone, unless
    its force is one that shares such content (`sharing`) and the caller may see the class
    `restricted`.
    """

    def __init__(self, domain: Domain, sharing: frozenset[str] = frozenset()) -> None:
        self._domain = domain
        self._sharing = sharing
        self.schema: dict[str, Any] = json.loads((SCHEMAS / domain.schema).read_text("utf-8"))
        named = named_types(self.schema)
        self.words = {c.name: named[c.enum]["symbols"] for c in domain.columns if c.enum}
        """All that each of these columns can hold."""
        self._fields = [
            (field["name"], field.get("class"), _presenter(field["type"], named))
            for field in self.schema["fields"]
        ]

    def present(
        self, record: Mapping[str, Any], classes: frozenset[str], *, restricted: bool = False
    ) -> dict[str, Any]:
        """Present a record; `restricted` also where only a later version of it is."""
        shared = "restricted" in classes and (record["force"] in self._sharing or not record["restricted"])
        stub = (record["restricted"] or restricted) and not shared
        result: dict[str, Any] = {}
        withheld: list[str] = []
        for name, kind, convert in self._fields:
            if (kind is not None and kind not in classes) or (stub and name not in self._domain.stub_fields):
                withheld.append(name)
            else:
                result[name] = convert(record[name], classes)
        result["withheld"] = withheld
        return result


def named_types(schema: Any) -> dict[str, Any]:
    """Every named type of a schema, by its unqualified name."""
    found: dict[str, Any] = {}
    if isinstance(schema, list):
        for branch in schema:
            found |= named_types(branch)
    elif isinstance(schema, dict):
        if "name" in schema and schema["type"] in {"record", "enum", "fixed"}:
            found[schema["name"]] = schema
        for field in schema.get("fields", ()):
            found |= named_types(field["type"])
        found |= named_types(schema.get("items"))
    return found


def _presenter(kind: Any, named: Mapping[str, Any]) -> Present:
    if isinstance(kind, str) and kind in named:
        kind = named[kind]
    if kind == "string":
        return lambda value, _: value or None
    if isinstance(kind, list):
        (inner,) = (_presenter(branch, named) for branch in kind if branch != "null")
        return lambda value, classes: None if value is None else inner(value, classes)
    if isinstance(kind, dict):
        return _presenter_of(kind, named)
    return lambda value, _: value


def _presenter_of(kind: dict[str, Any], named: Mapping[str, Any]) -> Present:
    if kind.get("logicalType") == "timestamp-micros":
        return lambda value, _: iso_micros(value)
    if kind["type"] == "array":
        item = _presenter(kind["items"], named)
        return lambda value, classes: [item(each, classes) for each in value]
    if kind["type"] != "record":
        return _presenter(kind["type"], named) if kind["type"] != "enum" else lambda value, _: value
    fields = [(f["name"], f.get("class"), _presenter(f["type"], named)) for f in kind["fields"]]
    return lambda value, classes: {
        name: convert(value[name], classes) for name, of, convert in fields if of is None or of in classes
    }
