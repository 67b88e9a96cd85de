"""An edited record: made of the original or given whole, checked, and always the same record as before."""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hub.dead_letters.book import Letter
from hub.dead_letters.contents import Contents, Decoded
from hub.dead_letters.rows import id_of, refuse_misfit
from hub.errors import BadQueryError, BadRecordError
from hub.schema.codec import Codec

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SAME = ("record_id", "id", "key", "source_key", "source_version", "mapping_version", "force", "system")
"""Fields that say which record and version it is: another version would come in a later one's way."""


class Editor:
    """Makes edited values for the letters of one feed."""

    def __init__(self, contents: Contents, codec: Codec) -> None:
        self._contents = contents
        self._codec = codec

    def with_fields(self, letter: Letter, base: Decoded, fields: Mapping[str, Any]) -> Decoded:
        """A copy of a decoded value with some fields set; a path has dots (`row.GRADE`)."""
        result: Decoded = json.loads(json.dumps(base, default=_plain))
        for path, value in fields.items():
            *above, name = self._path(letter, path)
            place = result
            for each in above:
                place = place.get(each, {})
            if not isinstance(place, dict) or (name not in place and letter.about["stage"] != "read"):
                raise BadQueryError(f"There is no field '{path}' in it; `dlq show` names what there is.")
            place[name] = value
        return result

    def encoded(self, letter: Letter, before: Decoded | None, after: Mapping[str, Any]) -> bytes:
        """The bytes to replay; `BadQueryError` where they do not fit, or are of another record."""
        try:
            if letter.about["stage"] == "read":
                return self._row(letter, after)
            return self._record(letter, before, after)
        except BadRecordError as error:
            raise BadQueryError(f"The edited record cannot be taken: {error}") from error

    def _path(self, letter: Letter, path: str) -> list[str]:
        """A column may go by its name in the source, and in an event without `row.` before it."""
        columns = self._contents.columns
        by_source = {told: name for name, told in columns.items()}
        bare = path.removeprefix("row.")
        name = bare if bare in columns else by_source.get(bare)
        if letter.about["stage"] == "read":
            if name is None:
                raise BadQueryError(
                    f"'{path}' is no column of {self._contents.feed}; these are: {_list(columns)}."
                )
            return [name]
        if letter.about["stage"] == "normalise" and name is not None:
            return ["row", name]
        return path.split(".")

    def _row(self, letter: Letter, values: Mapping[str, Any]) -> bytes:
        if unknown := sorted(values.keys() - self._contents.columns.keys()):
            raise BadQueryError(f"'{unknown[0]}' is no column of {self._contents.feed}.")
        schema = self._codec.registry.newest(f"{self._contents.feed.topic}-value").schema
        row = next(field["type"] for field in schema["fields"] if field["name"] == "row")
        value = json.dumps(_restored(row, values, _named(schema))).encode()
        key = refuse_misfit(self._contents.feed, self._codec, self._contents.row(letter, value, edited=True))
        known = letter.about["record_id"]
        if known is not None and id_of(self._contents.feed, key) != known:
            raise BadQueryError("The edited row has another key: it would be another record.")
        return value

    def _record(self, letter: Letter, before: Decoded | None, after: Mapping[str, Any]) -> bytes:
        stage = letter.about["stage"]
        topic = self._contents.domain.topic if stage == "view" else self._contents.feed.topic
        schema = self._codec.registry.newest(f"{topic}-value").schema
        restored = _restored(schema, after, _named(schema))
        name = "id" if stage == "view" else "record_id"
        was = dict(before or {})
        if letter.about["record_id"] is not None:
            was.setdefault(name, letter.about["record_id"])
        for field in _SAME:
            # What was blank may be filled in; what was there stays what it was.
            if was.get(field) not in {None, ""} and restored.get(field) != was[field]:
                raise BadQueryError(f"'{field}' says which record and version this is; leave it as it was.")
        return self._codec.encoder(topic)(restored)


def changed(before: Any, after: Any, path: str = "") -> list[str]:
    """The paths at which two decoded values differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = sorted(before.keys() | after.keys())
        parts = [changed(before.get(name), after.get(name), f"{path}{name}.") for name in names]
        return [each for part in parts for each in part]
    return [] if before == after else [path.rstrip(".")]


def _plain(value: Any) -> str:
    """Bytes as they are shown."""
    assert isinstance(value, bytes)
    return value.hex()


def _list(names: Mapping[str, str] | Sequence[str]) -> str:
    return ", ".join(names)


def _restored(kind: Any, value: Any, named: dict[str, Any]) -> Any:
    """What JSON shows of a value, as its schema has it: bytes of hex, instants of RFC 3339."""
    if isinstance(kind, list):
        if value is None:
            return None
        kind = next(branch for branch in kind if branch != "null")
    if isinstance(kind, str):
        kind = named.get(kind, {"type": kind})
    if isinstance(kind["type"], dict | list):
        return _restored(kind["type"], value, named)
    if kind["type"] == "record" and isinstance(value, Mapping):
        inner = {field["name"]: field for field in kind["fields"]}
        return {
            name: _restored(inner[name]["type"], each, named) if name in inner else each
            for name, each in value.items()
        }
    if kind["type"] == "array" and isinstance(value, list):
        return [_restored(kind["items"], each, named) for each in value]
    return _plain_restored(kind, value)


def _named(schema: Any) -> dict[str, Any]:
    """Every type in a schema that has a name, under it."""
    found: dict[str, Any] = {}
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        found |= _named(part)
    if isinstance(schema, dict) and schema.get("type") in ("record", "enum", "fixed"):
        found[schema["name"]] = schema
    return found


def _plain_restored(kind: Mapping[str, Any], value: Any) -> Any:
    """What was written on a command line is text, whatever its field holds."""
    if not isinstance(value, str):
        return value
    read = _instant if kind.get("logicalType") == "timestamp-micros" else _FROM_TEXT.get(kind["type"])
    try:
        return value if read is None else read(value)
    except (ValueError, TypeError, KeyError):
        raise BadQueryError(f"A text does not fit a field of type '{kind['type']}'.") from None


def _instant(text: str) -> int:
    return (dt.datetime.fromisoformat(text) - _EPOCH) // dt.timedelta(microseconds=1)


_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "bytes": bytes.fromhex,
    "fixed": bytes.fromhex,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": {"true": True, "false": False}.__getitem__,
}
