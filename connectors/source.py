"""A source: the two verbs with which one legacy system is read.

A source knows nothing of the bus, Avro, retries, metrics or threads; `connectors/loop.py`
does all that. A new kind of source is a class with these two methods and a line in
`connectors/sources/__init__.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Position = Mapping[str, Any]
"""Where reading goes on: JSON values under names of the source's choosing; empty at first.

Each name is kept as a record of its own in `<force>.positions.v1`, so a long list (files
done, say) belongs under many names rather than in one. A name that is gone is forgotten.

Names that begin with `~` are handed back to the next `read` but never kept by the live reading:
they are progress that ends with the process. Progress within a snapshot must be such a name, since
which keys a snapshot has held so far is not kept either: a restart reads it from its start.
Names that begin with `!` belong to the loop.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as read: values untouched, under the names of the force's schema.

    `key` is already percent-encoded (`hub.events.source_key`), None where the row states
    none, which makes it a dead letter. `version` is the source's own, None where it states
    none. `absent` names columns that the source did not state at all, as opposed to null.
    `changed_at` is the source's own instant of change in microseconds UTC, if it states one.
    `place` says where the row was read, for people: "file X, line 12".
    """

    key: str | None
    values: Mapping[str, Any]
    place: str
    version: int | None = None
    removed: bool = False
    absent: Sequence[str] = ()
    changed_at: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that could not be decoded: a dead letter.

    `raw` are the original bytes without any column that must not be read; None where
    those cannot be told apart, and then `length` and `sha256` stand for them. `key` is the
    row's key where it can still be told: a row refused in a snapshot is there, not removed.
    `columns` names the columns in `raw`, in order, where it is a line that does not say so itself.
    """

    reason: str
    place: str
    raw: bytes | None
    length: int
    sha256: str
    key: str | None = None
    columns: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """What one `read` gave, with the position after it.

    `complete_to` is the source time (microseconds UTC) up to which every change is in this
    batch or an earlier one; None while that is not known. `more` asks to be read again at once.

    A snapshot is everything the source holds, over one or more batches with the same
    `snapshot` name; `snapshot_ends` marks its last batch and is set only once it is proved
    whole. Keys known before and not in it are then derived as removed. `keys_only` marks a
    sweep: its rows carry keys, no values, and are not counted as read. Batches without a
    snapshot may come between those of one; the keys in them count as held too.

    `current` says that the rows are what the source holds now (a query), not a log that may
    repeat older ones: changed content is then always a new version.

    `one_a_key` says that a snapshot may hold each key once only: another row of the same key
    is a dead letter, where it says something else, and the first one is taken.

    `anew` says that a log is read from its beginning from now on: what it said on the way there
    is no news, and its last row of each key alone counts.

    `copies` are the files left unread since another had the same bytes.

    An empty batch means that nothing changed.
    """

    rows: Sequence[Row | Refused]
    position: Position
    complete_to: int | None = None
    more: bool = False
    other_force: int = 0
    snapshot: str | None = None
    snapshot_ends: bool = False
    keys_only: bool = False
    current: bool = False
    one_a_key: bool = False
    anew: bool = False
    notes: Sequence[str] = ()
    copies: int = 0


class Source(Protocol):
    def read(self, position: Position) -> Batch:
        """Return the next batch after `position`; called again and again from one thread.

        After an error the next call comes with the last position that was kept, so `read`
        trusts `position` and nothing it remembers. Raises `TransientError` (called again
        later), `SourceChangedError` (columns or header not as configured: stop),
        `ConfigurationError`.
        """
        ...

    def count(self) -> int:
        """The rows the legacy system itself holds for this feed now, deleted ones left out."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...
