"""The columns a source is asked for: the fields of a force schema's `row`, and nothing else."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["string", "long", "double", "boolean", "list"]

_KINDS: dict[str, Kind] = {
    "string": "string",
    "int": "long",
    "long": "long",
    "float": "double",
    "double": "double",
    "boolean": "boolean",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the row: its name in the schema, its name in the source, and what it holds.

    A list holds values of `item` kind, or records of the columns in `parts`.
    """

    field: str
    name: str
    kind: Kind
    item: Kind | None = None
    parts: tuple["Column", ...] = ()


def row_columns(schema: Path) -> tuple[Column, ...]:
    """Read the row's columns from a force's schema. Raises ValueError where it has none that can be read."""
    fields = json.loads(schema.read_text("utf-8"))["fields"]
    row = next((field["type"] for field in fields if field["name"] == "row"), None)
    if row is None:
        raise ValueError(f"{schema}: no field 'row'; a force's schema holds the row as read there.")
    return _columns(schema, row)


def _columns(schema: Path, record: dict[str, Any]) -> tuple[Column, ...]:
    return tuple(_column(schema, field) for field in record["fields"])


def _column(schema: Path, field: dict[str, Any]) -> Column:
    name, told = field["name"], field.get("column", field["name"])
    plain = _not_null(field["type"])
    if isinstance(plain, dict) and plain["type"] == "array":
        items = _not_null(plain["items"])
        if isinstance(items, dict) and items["type"] == "record":
            return Column(name, told, "list", parts=_columns(schema, items))
        return Column(name, told, "list", item=_kind(schema, name, items))
    return Column(name, told, _kind(schema, name, plain))


def _not_null(kind: Any) -> Any:
    if not isinstance(kind, list):
        return kind
    others = [branch for branch in kind if branch != "null"]
    return others[0] if len(others) == 1 else kind


def _kind(schema: Path, name: str, plain: Any) -> Kind:
    word = plain["type"] if isinstance(plain, dict) else plain
    if not isinstance(word, str) or word not in _KINDS:
        raise ValueError(
            f"{schema}: row field '{name}': {plain} cannot be read; a column is one of {', '.join(_KINDS)}."
        )
    return _KINDS[word]
