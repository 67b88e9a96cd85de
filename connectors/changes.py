"""From rows read to changes: which are new, which version each is, which are no change at all."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from connectors.source import Batch, Refused, Row
from connectors.state import Known, State

_to_json = json.JSONEncoder(separators=(",", ":")).encode
TIME_STEPS = 1000
"""A version by time is the instant in microseconds times this, plus the order read within it."""

NO_KEY = "The row states no key; mend it in the source."
KEY_TWICE = "The key stands twice in this snapshot, with different content; the first row is taken."


class Change(NamedTuple):
    """One event to publish. Its row is as read; a derived deletion has none of the values."""

    row: Row
    key: str
    known: Known


class Dead(NamedTuple):
    """One dead letter to write; `id` is the same each time the same row is read."""

    id: bytes
    refused: Refused


@dataclass(slots=True)
class Found:
    """What one batch comes to. read = changes + unchanged + other_force + dead.

    `bad` says of each row whether it is a dead letter; one set aside before is left out.
    """

    changes: list[Change] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    bad: Sequence[bool] = ()
    read: int = 0
    unchanged: int = 0
    other_force: int = 0


def content_hash(fields: Sequence[str]) -> Callable[[Mapping[str, Any], Sequence[str], bool], bytes]:
    """Make the hash of a row: the same for the same content on every machine and release.

    It is of the values in the schema's order without the nulls that end them, so that a
    column added last and still empty is not a change of every row.
    """
    pick = itemgetter(*fields) if len(fields) > 1 else None

    def digest(values: Mapping[str, Any], absent: Sequence[str], removed: bool) -> bytes:
        try:
            picked = pick(values) if pick else tuple(values.get(name) for name in fields)
        except KeyError:
            picked = tuple(values.get(name) for name in fields)
        end = len(picked)
        while end and picked[end - 1] is None:
            end -= 1
        text = _to_json((removed, sorted(absent), picked[:end]))
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    return digest


def next_version(stated: int | None, known: Known | None, *, current: bool, by_time: bool) -> int | None:
    """The version of changed content; None where it is older than what is known.

    Without a stated version this is the observation number. A stated one that does not
    rise is older news in a log that repeats itself; in what the source holds now (`current`)
    it is a row made anew. An equal one is another change under the same number.
    """
    if known is None:
        return 1 if stated is None else stated
    if stated is None:
        return known.version + 1
    if stated > known.version:
        return stated
    same_time = by_time and stated // TIME_STEPS == known.version // TIME_STEPS
    return known.version + 1 if current or same_time or stated == known.version else None


class Changes:
    """Compares rows with the state. Takes nothing into the state but marks of what was seen."""

    def __init__(self, fields: Sequence[str], state: State, *, by_time: bool) -> None:
        self._hash = content_hash(fields)
        self._state = state
        self._by_time = by_time
        self._bare = self._hash({}, (), True)

    def of(self, batch: Batch) -> Found:
        """Sort the rows of a batch into changes, unchanged ones and dead letters, in order."""
        self._state.in_snapshot(batch.snapshot)
        keys = [row.key for row in batch.rows if row.key is not None]
        taken = self._state.seen(keys) if batch.one_a_key else set()
        self._state.see(keys)
        if batch.keys_only:
            return Found()
        found = Found(read=len(batch.rows) + batch.other_force, other_force=batch.other_force)
        known = self._state.lookup(keys)
        refused: dict[int, Dead] = {}
        for place, row in enumerate(batch.rows):
            if isinstance(row, Refused):
                refused[place] = _dead(row, refused.values())
            elif row.key is None:
                refused[place] = _dead(as_refused(row, NO_KEY), refused.values())
            elif row.key in taken and self._differs(row, known.get(row.key)):
                refused[place] = _dead(as_refused(row, KEY_TWICE), refused.values())
            elif (change := self._change(row, row.key, known, batch)) is None:
                found.unchanged += 1
            else:
                found.changes.append(change)
            if batch.one_a_key and row.key is not None and place not in refused:
                taken.add(row.key)
        self._set_aside(found, refused, len(batch.rows))
        return found

    def digest(self, row: Row) -> bytes:
        """What a row says, as `Known.hash` has it of the newest published."""
        return self._hash(row.values, row.absent, row.removed)

    def removals(self, limit: int, place: str) -> list[Change]:
        """Derive the deletions of live keys that the snapshot under way did not hold."""
        return [
            Change(Row(key, {}, place, removed=True), key, Known(known.version + 1, self._bare, True))
            for key, known in self._state.unseen(limit)
        ]

    def _change(self, row: Row, key: str, known: dict[str, Known], batch: Batch) -> Change | None:
        old = known.get(key)
        if row.removed and (old is None or (old.deleted and not row.values)):
            return None
        digest = self.digest(row)
        if old is not None and old.hash == digest:
            return None
        anew = batch.snapshot is not None and old is not None and old.deleted
        version = next_version(row.version, old, current=batch.current or anew, by_time=self._by_time)
        if version is None:
            return None
        known[key] = new = Known(version, digest, row.removed)
        return Change(row, key, new)

    def _differs(self, row: Row, old: Known | None) -> bool:
        return old is None or old.hash != self.digest(row)

    def _set_aside(self, found: Found, refused: Mapping[int, Dead], rows: int) -> None:
        """Keep what lies in the dead letters already out: a row read twice is set aside once."""
        if not refused:
            found.bad = (False,) * rows
            return
        new = set(self._state.bury([dead.id for dead in refused.values()]))
        found.dead = [dead for dead in refused.values() if dead.id in new]
        found.bad = [
            place in refused for place in range(rows) if place not in refused or refused[place].id in new
        ]
        found.unchanged += len(refused) - len(found.dead)


def as_refused(row: Row, reason: str) -> Refused:
    """A row that was read but cannot be used; its values, as JSON, are the original."""
    raw = json.dumps(row.values, default=str).encode()
    return Refused(reason, row.place, raw, len(raw), hashlib.sha256(raw).hexdigest(), row.key)


def dead_id(refused: Refused, same: int = 0) -> bytes:
    """Name a dead letter by place and content, and equal ones of a batch by their order."""
    name = f"{refused.place}\n{refused.sha256}\n{same}".encode()
    return hashlib.blake2b(name, digest_size=16).digest()


def _dead(refused: Refused, before: Iterable[Dead]) -> Dead:
    twin = (refused.place, refused.sha256)
    same = sum(1 for dead in before if (dead.refused.place, dead.refused.sha256) == twin)
    return Dead(dead_id(refused, same), refused)
