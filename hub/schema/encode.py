"""Writing Avro at speed: each schema becomes one Python function that joins the pieces of a value.

fastavro's writer looks at the schema again for every field of every record, which costs 32 µs
for a force's incident and 36 µs for an alliance one; the functions made here write the same
bytes in 4 and 9. What they cannot take (a missing field with a default, a text above 8 KiB)
they refuse, and the codec hands it to fastavro.

The text that is compiled is made of Avro names, which are letters, digits and underscores, and
of numbers; nothing from outside a schema comes into it.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hub.schema.avsc import PRIMITIVES, Parsed, kind
from hub.schema.lasting import Lasting, keep
from hub.schema.varint import LAST, LENGTHS, PAIR, PRESENT, encode_int, encode_long

Encode = Callable[[Mapping[str, Any]], bytes]

REFUSALS = (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError, struct.error)
"""What an encoder raises for a datum that it cannot take."""


_EXPRESSIONS = {
    "null": "(b'' if {} is None else refuse())",
    "boolean": "(b'\\1' if (x := {}) is True else b'\\0' if x is False else refuse())",
    "float": "float_(x if (x := {}).__class__ is float else number(x))",
    "double": "double(x if (x := {}).__class__ is float else number(x))",
    "int": "int_({})",
    "long": "long({})",
    "string": "text({})",
    "bytes": "blob({})",
}

_PRESENT_LONG = (
    "b''.join((b'\\2', PAIR[y << 1 & 16383], PAIR[y >> 13 & 16383], PAIR[y >> 27 & 16383], LAST[y >> 41]))"
    f" if {1 << 41} <= y < {1 << 55} else b'\\2' + long(y)"
)
"""A number after its branch of `["null", "long"]`; at once where it takes eight bytes, as instants do."""


def compile_encoder(parsed: Parsed, prefix: bytes) -> Encode:
    """Make the function that writes a datum of this schema after `prefix`."""
    made = _Writers(parsed)
    lines: list[str] = []
    parts = [repr(prefix)]
    made.write(parsed.schema, "datum", lines, parts)
    encode: Encode = made.define("encode", "datum", [*lines, f"return b''.join(({', '.join(parts)},))"])
    return encode


def _text(value: str) -> bytes:
    encoded = value.encode()
    return encode_long(len(encoded)) + encoded


def _blob(value: bytes) -> bytes:
    return encode_long(len(value)) + value


def _number(value: Any) -> float:
    """Give a whole number as a float; refuse what is no number, True and False among it."""
    if value.__class__ is not int:
        raise TypeError
    return float(value)


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError
    return list(value)


def _refuse() -> bytes:
    raise TypeError


class _Writers:
    """The functions made for one schema, and the names they see."""

    def __init__(self, parsed: Parsed) -> None:
        self._parsed = parsed
        self._count = 0
        self._functions: dict[str, str] = {}
        self._open: list[str] = []
        self._scope: dict[str, Any] = {
            "LENGTHS": LENGTHS, "PRESENT": PRESENT, "PAIR": PAIR, "LAST": LAST, "long": encode_long,
            "int_": encode_int, "text": _text, "blob": _blob, "number": _number, "listed": _listed,
            "refuse": _refuse, "Mapping": Mapping, "Lasting": Lasting, "keep": keep,
            "float_": struct.Struct("<f").pack, "double": struct.Struct("<d").pack,
            "branch_double": struct.Struct("<cd").pack,
        }  # fmt: skip

    def define(self, name: str, argument: str, lines: Sequence[str]) -> Any:
        source = "\n    ".join((f"def {name}({argument}):", "z = refuse", *lines))
        exec(compile(source, f"<avro {name}>", "exec"), self._scope)  # noqa: S102  # see the module's docstring
        return self._scope[name]

    def write(self, schema: Any, value: str, lines: list[str], parts: list[str]) -> None:
        """Add to `parts` the expressions of a value's bytes, to `lines` what must run before."""
        full, resolved = self._named(schema)
        match kind(resolved):
            case "string":
                name = self._new("b")
                parts += [f"LENGTHS[len({name} := {value}.encode())]", name]
            case "union" if set(map(self._simple, resolved)) == {"null", "string"} and resolved[0] == "null":
                name = self._new("b")
                lines.append(f"x = {value}")
                lines.append(f"if x is None: {name}n = b'\\0'; {name} = b''")
                lines.append(f"else: {name} = x.encode(); {name}n = PRESENT[len({name})]")
                parts += [f"{name}n", name]
            case "union" if list(map(self._simple, resolved)) == ["null", "long"]:
                # Of two instants in a row the second is often the same object: it is encoded once.
                name = self._new("b")
                lines.append(f"y = {value}")
                lines.append(f"if y is not z: z = y; zn = b'\\0' if y is None else {_PRESENT_LONG}")
                lines.append(f"{name} = zn")
                parts.append(name)
            case "record" if full not in self._open and not (self._open and self._is_words(resolved)):
                self._open.append(full)
                record = self._new("r")
                lines.append(f"{record} = {value}")
                if not resolved["fields"]:  # nothing below would find out that this is no record
                    lines.append(f"if not isinstance({record}, Mapping): refuse()")
                for field in resolved["fields"]:
                    self.write(field["type"], f"{record}[{field['name']!r}]", lines, parts)
                self._open.remove(full)
            case _:
                parts.append(self._expression(schema, value))

    def _expression(self, schema: Any, value: str) -> str:
        full, resolved = self._named(schema)
        match kind(resolved):
            case "enum":
                table = self._constant({s: encode_long(n) for n, s in enumerate(resolved["symbols"])})
                return f"{table}[{value}]"
            case "fixed":
                return f"(x if len(x := {value}) == {int(resolved['size'])} else refuse())"
            case "union" if len(resolved) == 2 and "null" in resolved:
                null = resolved.index("null")
                absent, present = encode_long(null), encode_long(1 - null)
                other = self._present(present, resolved[1 - null])
                return f"({absent!r} if (y := {value}) is None else {other})"
            case primitive if primitive in _EXPRESSIONS:
                return _EXPRESSIONS[primitive].format(value)
            case "record" if self._is_words(resolved):
                writer = self._function(full, resolved)
                kept = f"(x := {value}).__class__ is Lasting and (y := x.kept)[0] is {writer}"
                return f"(y[1] if {kept} else keep(x, {writer}, {writer}(x)))"
            case _:
                return f"{self._function(full, resolved)}({value})"

    def _present(self, present: bytes, schema: Any) -> str:
        """Write `y`, which is there, after the index of its branch."""
        if schema == "double":  # coordinates: both in one call
            return f"branch_double({present!r}, y if y.__class__ is float else number(y))"
        return f"{present!r} + {self._expression(schema, 'y')}"

    def _function(self, full: str, resolved: Any) -> str:
        """Make, or find, the function that writes an array, map, union or nested record."""
        if full in self._functions:
            return self._functions[full]
        name = self._new("w")
        if full:
            self._functions[full] = name
        match kind(resolved):
            case "array":
                self.define(name, "items", self._array(resolved))
            case "map":
                self.define(name, "entries", self._map(resolved))
            case "union":
                self.define(name, "value", self._union(resolved))
            case _:
                self._record(name, full, resolved)
        return name

    def _record(self, name: str, full: str, resolved: Any) -> None:
        lines: list[str] = []
        parts: list[str] = []
        was_open, self._open = self._open, []
        self.write(full or resolved, "datum", lines, parts)
        self._open = was_open
        joined = f"b''.join(({', '.join(parts)},))" if parts else "b''"
        self.define(name, "datum", [*lines, f"return {joined}"])

    def _array(self, resolved: Any) -> list[str]:
        lines: list[str] = []
        parts: list[str] = []
        self.write(resolved["items"], "item", lines, parts)
        return [
            "if items.__class__ is not list: items = listed(items)",
            "if not items: return b'\\0'",
            "out = [LENGTHS[len(items)]]",
            "for item in items:",
            *(f"    {line}" for line in lines),
            f"    out += ({', '.join(parts)},)" if parts else "    pass",
            "out.append(b'\\0')",
            "return b''.join(out)",
        ]

    def _map(self, resolved: Any) -> list[str]:
        return [
            "if not entries: return b'\\0' if entries == {} else refuse()",
            "out = [long(len(entries))]",
            "for key, item in entries.items():",
            f"    out += (text(key), {self._expression(resolved['values'], 'item')})",
            "out.append(b'\\0')",
            "return b''.join(out)",
        ]

    def _union(self, resolved: Any) -> list[str]:
        """Try the branches in their order."""
        refusals = self._constant(REFUSALS)
        lines: list[str] = []
        for number, branch in enumerate(resolved):
            expression = self._expression(branch, "value")
            lines += [
                f"try: return {encode_long(number)!r} + {expression}",
                f"except {refusals}: pass",
            ]
        return [*lines, "refuse()"]

    def _named(self, schema: Any) -> tuple[str, Any]:
        resolved = self._parsed.resolve(schema)
        return (resolved.get("name", "") if isinstance(resolved, dict) else ""), resolved

    def _is_words(self, resolved: Any) -> bool:
        """Whether a record holds nothing but words, as those do that code tables make."""
        kinds = {kind(self._parsed.resolve(field["type"])) for field in resolved["fields"]}
        return bool(kinds) and kinds <= {"string", "enum"}

    def _simple(self, schema: Any) -> str:
        return schema if isinstance(schema, str) and schema in PRIMITIVES else ""

    def _constant(self, value: Any) -> str:
        name = self._new("c")
        self._scope[name] = value
        return name

    def _new(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"
