"""Why a datum does not fit a schema: in words that never hold a value of it."""

from collections.abc import Mapping
from typing import Any

from hub.schema.avsc import Parsed, kind

_RANGES = {"int": 1 << 31, "long": 1 << 63}
_TYPES: dict[str, type] = {"null": type(None), "boolean": bool, "bytes": bytes}

_REMARKS = {
    ("enum", "str"): " of no symbol",
    ("fixed", "bytes"): " of another length",
    ("string", "str"): " with half a surrogate pair",
    ("int", "int"): " out of range",
    ("long", "int"): " out of range",
}


def misfit(parsed: Parsed, datum: Any) -> str | None:
    """Name the first field that does not fit, with what is wanted and what type was given."""
    return _misfit(parsed, parsed.schema, datum, "")


def _misfit(parsed: Parsed, schema: Any, datum: Any, path: str) -> str | None:
    resolved = parsed.resolve(schema)
    match kind(resolved):
        case "union":
            return _union(parsed, resolved, datum, path)
        case "record":
            return _record(parsed, resolved, datum, path)
        case "array" if isinstance(datum, list | tuple):
            found = (_misfit(parsed, resolved["items"], v, f"{path}[{n}]") for n, v in enumerate(datum))
            return next(filter(None, found), None)
        case "map" if isinstance(datum, dict):
            found = (_entry(parsed, resolved, key, v, path) for key, v in datum.items())
            return next(filter(None, found), None)
        case _:
            return None if _simple(resolved, datum) else _words(path, resolved, datum)


def _entry(parsed: Parsed, schema: Any, key: Any, datum: Any, path: str) -> str | None:
    if not _simple("string", key):
        return _words(f"{path} (a key)", "string", key)
    return _misfit(parsed, schema["values"], datum, f"{path}{{}}")


def _union(parsed: Parsed, schema: Any, datum: Any, path: str) -> str | None:
    found = [_misfit(parsed, branch, datum, path) for branch in schema]
    if None in found:
        return None
    others = [wrong for branch, wrong in zip(schema, found, strict=True) if branch != "null"]
    return others[0] if len(others) == 1 else _words(path, schema, datum)


def _record(parsed: Parsed, schema: Any, datum: Any, path: str) -> str | None:
    if not isinstance(datum, Mapping):
        return _words(path, schema, datum)
    for field in schema["fields"]:
        name = field["name"]
        inner = f"{path}.{name}" if path else name
        if name in datum:
            wrong = _misfit(parsed, field["type"], datum[name], inner)
        else:
            wrong = None if "default" in field else f"'{inner}' is missing and has no default"
        if wrong is not None:
            return wrong
    return None


def _simple(schema: Any, datum: Any) -> bool:
    match kind(schema):
        case "int" | "long" as width:
            return type(datum) is int and -_RANGES[width] <= datum < _RANGES[width]
        case "float" | "double":
            return type(datum) in {int, float}
        case "string":
            return isinstance(datum, str) and not any("\ud800" <= c <= "\udfff" for c in datum)
        case "enum":
            return isinstance(datum, str) and datum in schema["symbols"]
        case "fixed":
            return isinstance(datum, bytes) and len(datum) == schema["size"]
        case other:
            return other in _TYPES and isinstance(datum, _TYPES[other])


def _words(path: str, schema: Any, datum: Any) -> str:
    wanted = " or ".join(kind(s) for s in schema) if isinstance(schema, list) else kind(schema)
    given = "null" if datum is None else type(datum).__name__
    said = f"must be {wanted}, not {given}{_REMARKS.get((wanted, given), '')}"
    return f"'{path}' {said}" if path else said
