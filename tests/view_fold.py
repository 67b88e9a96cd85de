"""The simple model of the view: the fold of what a partition holds up to some offset.

The newest (source version, mapping version) wins; the history has each version once; an erasure
takes a record and its history away, and what comes after it is a new record.
"""

from collections import Counter
from dataclasses import dataclass, field

from tests.faulty_bus import Record
from tests.view_bus import CODEC, INCIDENTS
from tests.view_records import incident

NONSENSE = b"nonsense"
"""The value of a record that cannot be used."""

KEYS = ("1", "2", "3", "4")
FORCES_OF_KEYS = {
    "1": "leicestershire",
    "2": "leicestershire",
    "3": "northamptonshire",
    "4": "nottinghamshire",
}
Version = tuple[int, int]

_encode = CODEC.encoder(INCIDENTS)
_bodies: dict[tuple[str, int, int, bool], bytes] = {}


def record_id(key: str) -> str:
    return str(incident(key, force=FORCES_OF_KEYS[key])["id"])


def body(key: str, version: int, mapping: int, deleted: bool) -> bytes:
    """A version's bytes. One version has one content, so whether it deletes is told by its number."""
    wanted = (key, version, mapping, deleted)
    if wanted not in _bodies:
        made = incident(key, version, mapping=mapping, deleted=deleted, force=FORCES_OF_KEYS[key])
        _bodies[wanted] = _encode(made)
    return _bodies[wanted]


@dataclass
class Fold:
    """What the records of a partition up to some offset come to."""

    newest: dict[str, tuple[Version, bool]] = field(default_factory=dict)
    history: dict[str, set[Version]] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead: set[int] = field(default_factory=set)

    def take(self, record: Record) -> None:
        force = (record.key or b"").decode().split(":")[3]
        self.counts[force, "received"] += 1
        self.counts[force, self._end_of(record)] += 1

    def _end_of(self, record: Record) -> str:
        name = (record.key or b"").decode()
        if record.value is None:
            self.newest.pop(name, None)
            self.history.pop(name, None)
            return "erased"
        if record.value == NONSENSE:
            self.dead.add(record.offset)
            return "dead_lettered"
        decoded = CODEC.decoder(INCIDENTS)(record.value)
        version = (decoded["source_version"], decoded["mapping_version"])
        self.history.setdefault(name, set()).add(version)
        if name in self.newest and version <= self.newest[name][0]:
            return "superseded"
        self.newest[name] = (version, decoded["deleted"])
        return "applied"
