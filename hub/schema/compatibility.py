"""Whether values written with one schema can be read with another: Avro 1.12's rules of resolution.

They are applied as Apache Avro's own Java checker applies them (`SchemaCompatibility`): named types
match by their name without namespace or by an alias of the reader, an enum may meet a symbol it
does not know if it has a default, and a record within itself is taken to fit until shown not to.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, Literal

from hub.schema.avsc import Parsed, kind, parse
from hub.schema.registry import Registry

Mode = Literal["BACKWARD_TRANSITIVE", "FULL_TRANSITIVE"]
"""BACKWARD: every version can read all older ones. FULL: and every older one the newer."""

_PROMOTIONS = {
    "long": {"int"},
    "float": {"int", "long"},
    "double": {"int", "long", "float"},
    "string": {"bytes"},
    "bytes": {"string"},
}


def check_registry(registry: Registry) -> list[str]:
    """Check every schema's history: the alliance's and the hub's in full, a force's own backward.

    A rebuild reads every version of a force's events; the alliance's records are read by
    others too, whose schemas may be older.
    """
    problems: list[str] = []
    for subject in {version.subject: None for version in registry}:
        found = check_history([v.schema for v in registry.versions(subject)], mode_of(subject))
        problems += [f"{subject}: {problem}" for problem in found]
    return problems


def mode_of(subject: str) -> Mode:
    shared = subject.startswith(("alliance.", "hub.", "*"))
    return "FULL_TRANSITIVE" if shared else "BACKWARD_TRANSITIVE"


def check_history(versions: Sequence[Any], mode: Mode) -> list[str]:
    """Name every pair of versions, oldest first, of which one cannot read the other, and why."""
    problems: list[str] = []
    for (old, older), (new, newer) in combinations(enumerate(versions, 1), 2):
        problems += [f"version {new} cannot read version {old}: {wrong}" for wrong in can_read(newer, older)]
        if mode == "FULL_TRANSITIVE":
            problems += [f"version {old} cannot read version {new}: {w}" for w in can_read(older, newer)]
    return problems


def can_read(reader: Any, writer: Any) -> list[str]:
    """Tell what keeps `reader` from reading values of `writer`, with paths; nothing where it can."""
    return _Comparison(parse(reader), parse(writer)).compare()


class _Comparison:
    def __init__(self, reader: Parsed, writer: Parsed) -> None:
        self._reader = reader
        self._writer = writer
        self._known: dict[tuple[str | int, str | int], list[str]] = {}

    def compare(self) -> list[str]:
        return self._compare(self._reader.schema, self._writer.schema, "")

    def _compare(self, reader: Any, writer: Any, path: str) -> list[str]:
        reader, writer = self._reader.resolve(reader), self._writer.resolve(writer)
        pair = _identity(reader), _identity(writer)
        if pair not in self._known:
            self._known[pair] = []  # in progress: fits, unless shown not to
            self._known[pair] = list(self._differences(reader, writer, path))
        return self._known[pair]

    def _differences(self, reader: Any, writer: Any, path: str) -> Iterator[str]:
        into, out_of = kind(reader), kind(writer)
        if out_of == "union":
            for branch in writer:
                yield from self._compare(reader, branch, path)
        elif into == "union":
            if all(self._compare(branch, writer, path) for branch in reader):
                yield f"{_at(path)} may be {out_of}, which no branch of the union reads"
        elif into != out_of:
            if out_of not in _PROMOTIONS.get(into, ()):
                yield f"{_at(path)} is written as {out_of} and cannot be read as {into}"
        elif into == "array":
            yield from self._compare(reader["items"], writer["items"], f"{path}[]")
        elif into == "map":
            yield from self._compare(reader["values"], writer["values"], f"{path}{{}}")
        elif isinstance(reader, dict) and "name" in reader:
            yield from self._named(reader, writer, path)

    def _named(self, reader: Any, writer: Any, path: str) -> Iterator[str]:
        if not _same_name(reader, writer):
            yield f"{_at(path)} is {writer['name']}, which is no name or alias of {reader['name']}"
        match kind(reader):
            case "fixed" if reader["size"] != writer["size"]:
                yield f"{_at(path)} has {writer['size']} bytes and is read as {reader['size']}"
            case "enum":
                unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
                if unknown and reader.get("default") not in reader["symbols"]:
                    yield f"{_at(path)} may be {', '.join(unknown)}, and the enum has no default for them"
            case "record":
                for field in reader["fields"]:
                    yield from self._field(
                        field, writer, f"{path}.{field['name']}" if path else field["name"]
                    )

    def _field(self, field: Any, writer: Any, path: str) -> Iterator[str]:
        names = [field["name"], *field.get("aliases", ())]
        written = [other for other in writer["fields"] if other["name"] in names]
        if len(written) > 1:
            yield f"{_at(path)} can be any of the fields {', '.join(other['name'] for other in written)}"
        elif written:
            yield from self._compare(field["type"], written[0]["type"], path)
        elif "default" not in field:
            yield f"{_at(path)} is not written and has no default"


def _identity(schema: Any) -> str | int:
    if isinstance(schema, str):
        return schema
    return str(schema["name"]) if isinstance(schema, dict) and "name" in schema else id(schema)


def _same_name(reader: Any, writer: Any) -> bool:
    namespace, _, name = reader["name"].rpartition(".")
    if name == writer["name"].rpartition(".")[2]:
        return True
    aliases = (a if "." in a or not namespace else f"{namespace}.{a}" for a in reader.get("aliases", ()))
    return writer["name"] in aliases


def _at(path: str) -> str:
    return f"'{path}'" if path else "the value"
