"""Fields become rows: the key, the named values, and whose row it is."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from connectors.source import Refused, Row
from connectors.sources.columns import Column
from connectors.sources.files_settings import FilesSettings, needed
from connectors.sources.keys import joined_key
from connectors.sources.split import Bad, Text

_OTHER = "another force's"
_WHOLE_NUMBER = re.compile(r"-?\d{1,18}").fullmatch


@dataclass(slots=True)
class Made:
    """Rows made so far; `unclear` counts lines that could have been any record's."""

    rows: list[Row | Refused] = field(default_factory=list)
    other_force: int = 0
    read: int = 0
    unclear: int = 0


class RowMaker:
    """Makes rows of the fields of one file, whose header is `names`."""

    def __init__(
        self, settings: FilesSettings, columns: Sequence[Column], names: Sequence[str], file: str
    ) -> None:
        place = {name: index for index, name in enumerate(names)}
        self._fields = [column.field for column in columns]
        self._values = _getter([place[column.name] for column in columns])
        self._key = [place[name] for name in settings.key]
        self._version = _at(place, settings.version_column)
        self._removed = _at(place, settings.removed_column)
        self._removed_values = frozenset(settings.removed.values if settings.removed else ())
        self._only = settings.only
        self._only_at = _at(place, settings.only_column)
        self._known = frozenset(settings.only.known if settings.only else ())
        self._others = self._known - {settings.only.equals if settings.only else ""}
        self._file = file
        read = set(needed(settings, columns))
        self._kept = () if settings.fixed else tuple(name for name in names if name in read)

    def make(self, text: Text, most: int, made: Made) -> bool:
        """Add what up to `most` more lines hold to `made`; False at the end."""
        split = text.take(most)
        for number, fields in split:
            made.read += 1
            place = f"file {self._file}, line {number}"
            if isinstance(fields, Bad):
                self._refuse(fields, place, made)
                continue
            reason = "" if self._only_at is None else self._not_ours(fields)
            if reason == _OTHER:
                made.other_force += 1
                continue
            made.rows.append(
                self._refused(reason, place, text.original(number, fields), None)
                if reason
                else self._row(fields, place, text, number)
            )
        return bool(split)

    def _row(self, fields: list[str], place: str, text: Text, number: int) -> Row | Refused:
        key = self._key_of(fields)
        version = None
        if self._version is not None:
            stated = fields[self._version].strip()
            if not _WHOLE_NUMBER(stated):
                reason = "Its version is not a whole number; mend it in the source."
                return self._refused(reason, place, text.original(number, fields), key)
            version = int(stated)
        values: dict[str, Any] = dict(zip(self._fields, self._values(fields), strict=True))
        removed = self._removed is not None and fields[self._removed] in self._removed_values
        return Row(key, values, place, version, removed)

    def _key_of(self, fields: Sequence[str]) -> str | None:
        return joined_key([fields[index] for index in self._key])

    def _not_ours(self, fields: list[str]) -> str:
        """Why a row is not this force's: another's, or no known force's where this feed claims those."""
        assert self._only is not None
        assert self._only_at is not None
        code = fields[self._only_at].strip()
        if code == self._only.equals:
            return ""
        if code in self._known or not self._only.claims_unknown:
            return _OTHER
        return (
            f"Column '{self._only.column}' names no known force; mend it in the source, or add it to `known`."
        )

    def _refuse(self, bad: Bad, place: str, made: Made) -> None:
        """Keep a bad line as refused, unless it is told to be another force's."""
        key = None
        if bad.fields is not None:
            if self._only_at is not None and bad.fields[self._only_at].strip() in self._others:
                made.other_force += 1
                return
            key = self._sure_key(bad.fields)
        made.unclear += key is None
        made.rows.append(Refused(bad.reason, place, bad.raw, bad.length, bad.sha256, key, self._kept))

    def _sure_key(self, fields: Sequence[str]) -> str | None:
        parts = "".join(fields[index] for index in self._key)
        return None if "\ufffd" in parts or "\0" in parts else self._key_of(fields)

    def _refused(self, reason: str, place: str, raw: bytes, key: str | None) -> Refused:
        return Refused(reason, place, raw, len(raw), hashlib.sha256(raw).hexdigest(), key, self._kept)


def _getter(indexes: list[int]) -> Callable[[list[str]], Sequence[str]]:
    if len(indexes) == 1:
        return lambda fields: (fields[indexes[0]],)
    return itemgetter(*indexes)


def _at(place: dict[str, int], name: str | None) -> int | None:
    return place[name] if name else None
