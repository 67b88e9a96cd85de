"""Shows a decoded value with the fields left out whose class may not be seen, by its schema."""

from collections.abc import Mapping, Sequence
from typing import Any

from hub.events import iso_micros


class Mask:
    """The mask of one record type. A field it does not know is withheld: nobody has classed it."""

    def __init__(self, schema: Mapping[str, Any], named: dict[str, Any] | None = None) -> None:
        named = {} if named is None else named
        named[schema["name"]] = schema
        self.columns = {field["name"]: field.get("column", field["name"]) for field in schema["fields"]}
        self._classes = {field["name"]: field.get("class") for field in schema["fields"]}
        self._inner = {field["name"]: _inner(field["type"], named) for field in schema["fields"]}
        self._instants = {field["name"] for field in schema["fields"] if _is_instant(field["type"])}

    def of_field(self, name: str) -> "Mask":
        """The mask of the records in a field."""
        inner = self._inner[name]
        assert inner is not None
        return inner

    def show(
        self, value: Mapping[str, Any], classes: frozenset[str], only: Sequence[str] | None = None
    ) -> tuple[dict[str, Any], list[str]]:
        """What may be seen, and the paths of what is withheld; `only` these fields, where given."""
        shown: dict[str, Any] = {}
        withheld: list[str] = []
        for name, each in value.items():
            if (only is not None and name not in only) or not self._may_see(name, classes):
                withheld.append(name)
            else:
                shown[name], below = self._show(name, each, classes)
                withheld += below
        return shown, withheld

    def _may_see(self, name: str, classes: frozenset[str]) -> bool:
        """An unknown field has every class at once."""
        if name not in self._classes:
            return "restricted" in classes
        of = self._classes[name]
        return of is None or of in classes

    def _show(self, name: str, value: Any, classes: frozenset[str]) -> tuple[Any, list[str]]:
        inner = self._inner.get(name)
        if name in self._instants and isinstance(value, int):
            return iso_micros(value), []
        if isinstance(value, bytes):
            return value.hex(), []
        if inner is None or value is None:
            return value, []
        return _below(inner, name, value, classes)


def _below(inner: Mask, path: str, value: Any, classes: frozenset[str]) -> tuple[Any, list[str]]:
    """A record, or a list of them; whatever else stands there is not what was classed, and is withheld."""
    if isinstance(value, Mapping):
        shown, withheld = inner.show(value, classes)
        return shown, [f"{path}.{name}" for name in withheld]
    if isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
        pairs = [inner.show(each, classes) for each in value]
        return [shown for shown, _ in pairs], sorted(
            {f"{path}.{name}" for _, names in pairs for name in names}
        )
    return (value, []) if "restricted" in classes else (None, [path])


def _inner(kind: Any, named: dict[str, Any]) -> Mask | None:
    """The mask of the record type within a type, through unions and arrays; None where there is none."""
    if isinstance(kind, list):
        return next((found for branch in kind if (found := _inner(branch, named)) is not None), None)
    if isinstance(kind, str):
        kind = named.get(kind, {"type": kind})
    if kind["type"] == "record":
        return Mask(kind, named)
    if kind["type"] == "array":
        return _inner(kind["items"], named)
    return _inner(kind["type"], named) if isinstance(kind["type"], dict | list) else None


def _is_instant(kind: Any) -> bool:
    branches = kind if isinstance(kind, list) else [kind]
    return any(isinstance(each, dict) and each.get("logicalType") == "timestamp-micros" for each in branches)
