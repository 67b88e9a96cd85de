"""The fields of a schema as a tree: what a mapping can fill, and what a field is while nothing fills it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEAD = (
    "id", "force", "system", "source_key", "source_version", "mapping_version",
    "deleted", "provenance", "flags",
)  # fmt: skip
"""Fields of an alliance record that the mapper fills from the envelope, not by rules."""


@dataclass(frozen=True, slots=True)
class Node:
    """A field of a schema. `kind` is record, enum, array or Avro's name of a plain type.

    `path` is dotted from the record's root; `item` is what an array holds. `column` is the
    name in the force's system where it differs from the Avro name.
    """

    path: str
    kind: str
    nullable: bool = False
    symbols: tuple[str, ...] = ()
    fields: Mapping[str, "Node"] = field(default_factory=dict)
    item: "Node | None" = None
    blank: Any = None
    column: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def is_head(self) -> bool:
        return self.path.split(".", maxsplit=1)[0] in HEAD

    def leaves(self) -> Iterator[str]:
        """Paths of every field below that holds a value itself."""
        if self.kind != "record":
            yield self.path
        for each in self.fields.values():
            yield from each.leaves()

    def find(self, path: str) -> "Node | None":
        node: Node | None = self
        for part in path.split("."):
            node = node.fields.get(part) if node is not None else None
        return node


def read_schema(file: Path) -> Node:
    """Read an `.avsc` file's record as a tree."""
    return _node("", json.loads(file.read_text("utf-8")), {}, {})


def read_row(file: Path) -> dict[str, Node]:
    """The columns of a force's own row, by the name they have in the force's system."""
    row = read_schema(file).fields["row"]
    return {node.column or node.name: node for node in row.fields.values()}


def _node(path: str, kind: Any, named: dict[str, Any], about: Mapping[str, Any]) -> Node:
    options = kind if isinstance(kind, list) else [kind]
    chosen = next(option for option in options if option != "null")
    nullable = "null" in options
    if isinstance(chosen, str):
        chosen = named.get(chosen, chosen)
    if isinstance(chosen, str):
        chosen = {"type": chosen}
    elif isinstance(chosen["type"], dict | list):
        return _node(path, chosen["type"], named, about)
    if "name" in chosen:
        named[chosen["name"]] = chosen
    fields = {
        each["name"]: _node(f"{path}.{each['name']}".lstrip("."), each["type"], named, each)
        for each in chosen.get("fields", ())
    }
    item = _node(path, chosen["items"], named, {}) if chosen["type"] == "array" else None
    return Node(
        path,
        chosen["type"],
        nullable,
        tuple(chosen.get("symbols", ())),
        fields,
        item,
        column=about.get("column", ""),
        blank=_blank(chosen, nullable, fields),
    )


def _blank(chosen: Mapping[str, Any], nullable: bool, fields: Mapping[str, Node]) -> Any:
    """The value of a field nobody filled."""
    if nullable:
        return None
    if chosen["type"] == "record":
        return {name: node.blank for name, node in fields.items()}
    if chosen["type"] == "enum":
        return chosen.get("default", chosen["symbols"][0])
    return {"string": "", "array": [], "boolean": False, "bytes": b""}.get(chosen["type"], 0)
