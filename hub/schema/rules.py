"""What a schema of the hub must be beyond legal Avro: explained, classed, and of the common form."""

from collections.abc import Iterator
from typing import Any

CLASSES = frozenset({"personal", "sensitive", "restricted"})
"""How personal a field is: identifies a person; tells of one; is shown to few."""

_MICROS = {"type": "long", "logicalType": "timestamp-micros"}

ENVELOPE: dict[str, Any] = {
    "record_id": "string",
    "system": "string",
    "key": "string",
    "source_version": "long",
    "deleted": "boolean",
    "read_at": _MICROS,
    "changed_at": ["null", _MICROS],
    "source_position": "string",
    "content_hash": {"type": "fixed", "name": "ContentHash", "size": 16},
    "absent": {"type": "array", "items": "string"},
}
"""The fields before `row` in every force's own schema, in this order."""


def check_force_schema(schema: Any) -> list[str]:
    """Check that a force's own schema is the envelope and a row of fields that may be null."""
    fields = schema.get("fields", []) if isinstance(schema, dict) else []
    if [field.get("name") for field in fields] != [*ENVELOPE, "row"]:
        return [f"must have the fields {', '.join(ENVELOPE)}, row, in this order"]
    problems = [
        f"'{field['name']}' must be of type {ENVELOPE[field['name']]}"
        for field in fields[:-1]
        if _bare(field["type"]) != ENVELOPE[field["name"]]
    ]
    row = fields[-1]["type"]
    if not isinstance(row, dict) or row.get("type") != "record":
        return [*problems, "'row' must be a record of the force's own columns"]
    problems += [
        f"'row.{field.get('name')}' must be a union of null and its type, with default null"
        for field in row.get("fields", [])
        if not _nullable(field)
    ]
    return problems


def check_explained(schema: Any) -> list[str]:
    """Check that every type and field has a `doc`, and that a `class` is one of `CLASSES`."""
    problems: list[str] = []
    for path, node in walk(schema):
        if not node.get("doc"):
            problems.append(f"'{path}' has no doc")
        if "class" in node and node["class"] not in CLASSES:
            problems.append(
                f"'{path}' has class '{node['class']}'; it must be one of {', '.join(sorted(CLASSES))}"
            )
    return problems


def check_enums(schema: Any) -> list[str]:
    """Check that every enum begins with UNKNOWN and has it as default.

    Without it a new symbol breaks the readers that do not know it yet.
    """
    return [
        f"'{path}' is an enum whose first symbol and default must be UNKNOWN"
        for path, node in walk(schema)
        if node.get("type") == "enum" and (node["symbols"][0], node.get("default")) != ("UNKNOWN", "UNKNOWN")
    ]


def walk(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field and every named type of a schema, with its path; a type has that of its field."""
    if isinstance(schema, list):
        for branch in schema:
            yield from walk(branch, path)
    elif isinstance(schema, dict):
        if "name" in schema:
            yield path or schema["name"], schema
        for key in ("items", "values", "type"):
            if not isinstance(schema.get(key), str | None):
                yield from walk(schema[key], path)
        for field in schema.get("fields", ()):
            inner = f"{path}.{field['name']}" if path else field["name"]
            yield inner, field
            yield from walk(field["type"], inner)


def _bare(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bare(branch) for branch in schema]
    return {k: v for k, v in schema.items() if k != "doc"} if isinstance(schema, dict) else schema


def _nullable(field: Any) -> bool:
    kinds = field.get("type")
    return (
        isinstance(kinds, list)
        and len(kinds) == 2
        and kinds[0] == "null"
        and "default" in field
        and field["default"] is None
    )
