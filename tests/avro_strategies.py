"""Schemas, data that fit them, and schemas that are nearly the same, for hypothesis to choose from."""

import copy
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
NUMBERS = {"int", "long", "float", "double"}
NAMES = ("A", "B", "C", "D")
SYMBOLS = ("UNKNOWN", "X", "Y", "Z")

DEFAULTS = dict(zip(PRIMITIVES, (None, False, 1, 1, 0.5, 0.5, "", ""), strict=True))

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
DATA = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**20), 2**20),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=80),
    "string": TEXTS,
}


@st.composite
def schemas(draw: st.DrawFn, *, ambiguous: bool = False) -> Any:
    """A record with anything in it. Not `ambiguous`: no datum fits two branches of a union."""
    return _record(draw, [], 3, ambiguous)


def _schema(draw: st.DrawFn, names: list[str], depth: int, ambiguous: bool) -> Any:  # noqa: PLR0911
    kinds = ["primitive", "primitive", "enum", "fixed", "nullable"]
    if depth > 0:
        kinds += ["record", "array", "map", "union", "known"]
    match draw(st.sampled_from(kinds)):
        case "enum" if name := _name(draw, names):
            symbols = draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=4, unique=True))
            default = {"default": draw(st.sampled_from(symbols))} if draw(st.booleans()) else {}
            return {"type": "enum", **name, "symbols": symbols, **default}
        case "fixed" if name := _name(draw, names):
            return {"type": "fixed", **name, "size": draw(st.integers(1, 3))}
        case "record" if len(names) < len(NAMES):
            return _record(draw, names, depth - 1, ambiguous)
        case "array":
            return {"type": "array", "items": _schema(draw, names, depth - 1, ambiguous)}
        case "map":
            return {"type": "map", "values": _schema(draw, names, depth - 1, ambiguous)}
        case "nullable":
            other = draw(st.sampled_from(PRIMITIVES[1:]))
            return draw(st.permutations(["null", other]))
        case "union":
            return _union(draw, names, depth - 1, ambiguous)
        case "known" if names:
            return draw(st.sampled_from(names))  # a type named before, perhaps one we stand in
    return draw(st.sampled_from(PRIMITIVES))


def _name(draw: st.DrawFn, names: list[str]) -> dict[str, Any]:
    free = [name for name in NAMES if name not in names]
    if not free:
        return {}
    names.append(draw(st.sampled_from(free)))
    return {"name": names[-1]}


def _record(draw: st.DrawFn, names: list[str], depth: int, ambiguous: bool) -> Any:
    name = _name(draw, names)
    fields = []
    for field in draw(st.lists(st.sampled_from("abcdef"), max_size=5, unique=True)):
        inner = _schema(draw, names, depth, ambiguous)
        default = _default(inner)
        fields.append({"name": field, "type": inner, **(default if draw(st.booleans()) else {})})
    return {"type": "record", **name, "fields": fields}


def _union(draw: st.DrawFn, names: list[str], depth: int, ambiguous: bool) -> Any:
    branches: list[Any] = []
    for _ in range(draw(st.integers(1, 4))):
        before = list(names)
        branch = _schema(draw, names, depth, ambiguous)
        if isinstance(branch, list) or any(_clash(branch, other, ambiguous) for other in branches):
            names[:] = before  # the types that the dropped branch names go with it
        else:
            branches.append(branch)
    return branches or ["null"]


def _clash(one: Any, other: Any, ambiguous: bool) -> bool:
    first, second = (b["type"] if isinstance(b, dict) else b for b in (one, other))
    if first == second and first not in {"record", "enum", "fixed"}:
        return True
    if ambiguous:
        return False
    unclear: set[str] = {"record", "map", *NAMES}
    # fastavro takes bytes for an array of numbers.
    bytes_or_array = "array" in (first, second) and {first, second} <= {"array", "bytes", "fixed", *NAMES}
    return {first, second} <= NUMBERS or first == second or bytes_or_array or {first, second} <= unclear


def _default(schema: Any) -> dict[str, Any]:
    match schema:
        case list():
            return _default(schema[0])
        case {"type": "enum"}:
            return {"default": schema["symbols"][0]}
        case {"type": "array"}:
            return {"default": []}
        case {"type": "map"}:
            return {"default": {}}
    return {"default": DEFAULTS[schema]} if isinstance(schema, str) and schema in DEFAULTS else {}


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Two schemas: a few changes apart, or strangers."""
    one = draw(schemas(ambiguous=True))
    if draw(st.integers(0, 9)) == 0:
        return one, draw(schemas(ambiguous=True))
    other = copy.deepcopy(one)
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, draw(st.sampled_from(list(_nodes(other)))))
    return (one, other) if draw(st.booleans()) else (other, one)


def _nodes(schema: Any) -> Any:
    if isinstance(schema, dict):
        yield schema
        for key in ("items", "values"):
            yield from _nodes(schema.get(key))
        for field in schema.get("fields", ()):
            yield field
            yield from _nodes(field["type"])
    elif isinstance(schema, list):
        yield schema
        for branch in schema:
            yield from _nodes(branch)


def _change(draw: st.DrawFn, node: Any) -> None:
    primitive = st.sampled_from(PRIMITIVES)
    match node:
        case list():
            node[:1] = [draw(primitive), *node[:1]] if draw(st.booleans()) else []
        case {"type": "record"}:
            _change_record(draw, node)
        case {"type": "enum"}:
            _change_enum(draw, node)
        case {"type": "fixed"}:
            _rename(draw, node) if draw(st.booleans()) else node.update(size=4)
        case {"type": "array"}:
            node["items"] = draw(primitive)
        case {"type": "map"}:
            node["values"] = draw(primitive)
        case _:
            _change_field(draw, node)


def _change_record(draw: st.DrawFn, node: Any) -> None:
    change = draw(st.sampled_from(["rename", "add", "drop", "turn"]))
    if change == "rename":
        _rename(draw, node)
    elif change == "add":
        inner = draw(st.sampled_from(PRIMITIVES))
        node["fields"].append(
            {"name": "g", "type": inner, **(_default(inner) if draw(st.booleans()) else {})}
        )
    elif change == "drop":
        node["fields"] = node["fields"][1:]
    else:
        node["fields"] = node["fields"][::-1]


def _change_enum(draw: st.DrawFn, node: Any) -> None:
    change = draw(st.sampled_from(["rename", "add", "drop", "default"]))
    if change == "rename":
        _rename(draw, node)
    elif change == "add":
        node["symbols"] = [*node["symbols"], "NEW"]
    elif change == "drop":
        node["symbols"] = node["symbols"][:-1] or ["OTHER"]
    else:
        node["default"] = node["symbols"][0]


def _change_field(draw: st.DrawFn, node: Any) -> None:
    change = draw(st.sampled_from(["type", "promote", "wrap", "rename", "default"]))
    if change == "type":
        node["type"] = draw(st.sampled_from(PRIMITIVES))
    elif change == "promote":
        wider = {"int": "long", "long": "float", "float": "double", "string": "bytes", "bytes": "string"}
        node["type"] = (
            wider.get(node["type"], node["type"]) if isinstance(node["type"], str) else node["type"]
        )
    elif change == "wrap":
        node["type"] = node["type"] if isinstance(node["type"], list) else ["null", node["type"]]
    elif change == "rename":
        old, node["name"] = node["name"], draw(st.sampled_from("gh"))
        node.update({"aliases": [old]} if draw(st.booleans()) else {})
    else:
        node.pop("default", None)


def _rename(draw: st.DrawFn, node: Any) -> None:
    """Another name, with or without the old as alias, or only another namespace."""
    if draw(st.booleans()):
        node["namespace"] = "elsewhere"
        return
    old, node["name"] = node["name"], "Renamed"
    node.update({"aliases": [old]} if draw(st.booleans()) else {})


@st.composite
def data_for(draw: st.DrawFn, schema: Any) -> Any:
    """A datum that fits a schema, every field given. None fits a record that must hold itself."""
    named = {
        n["name"]: n
        for n in _nodes(schema)
        if isinstance(n, dict) and n.get("type") in ("record", "enum", "fixed")
    }
    return _datum(draw, schema, named, 0)


def _datum(draw: st.DrawFn, schema: Any, named: dict[str, Any], depth: int) -> Any:  # noqa: PLR0911
    if depth > 12:
        reject()
    few = 0 if depth > 4 else 3
    match named.get(schema, schema) if isinstance(schema, str) else schema:
        case str() as primitive:
            return draw(DATA[primitive])
        case list() as union:
            plain = [branch for branch in union if branch in PRIMITIVES]
            branch = draw(st.sampled_from(plain if depth > 4 and plain else union))
            return _datum(draw, branch, named, depth + 1)
        case {"type": "record", "fields": fields}:
            return {field["name"]: _datum(draw, field["type"], named, depth + 1) for field in fields}
        case {"type": "enum", "symbols": symbols}:
            return draw(st.sampled_from(symbols))
        case {"type": "fixed", "size": size}:
            return draw(st.binary(min_size=size, max_size=size))
        case {"type": "array", "items": items}:
            return [_datum(draw, items, named, depth + 1) for _ in range(draw(st.integers(0, few)))]
        case {"type": "map", "values": values}:
            keys = draw(st.lists(TEXTS, max_size=few, unique=True))
            return {key: _datum(draw, values, named, depth + 1) for key in keys}
    raise AssertionError(schema)
