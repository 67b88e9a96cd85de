"""A second reading of one source, beside the connector's own and from its beginning.

Nothing is published and nothing is kept: what the source says of each key lies in a private
temporary SQLite file, which goes with the process, so that memory stays flat.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from connectors.changes import Change, Changes, Dead, as_refused
from connectors.messages import Messages
from connectors.publisher import by_time
from connectors.source import Batch, Position, Refused, Row, Source
from connectors.sources.stated import columns
from connectors.state import Known, State
from hub.dead_letters import dead_letter_topic
from hub.errors import BadRecordError, TransientError
from hub.forces import Feed
from hub.schema.codec import Codec

PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.2
_AT_ONCE = 500
_REMOVALS_AT_ONCE = 1000
_TABLES = """
create table said (
    key text primary key, event blob, version integer, refused text, gone integer not null default 0
) without rowid;
create table looked_at (key text primary key) without rowid;
create table keyless (sha256 text primary key) without rowid;
"""


class Said(NamedTuple):
    """What the source says of a key, as the newest event that would be published.

    `version` is the source's own, None where it states none. Where no row of the key could be
    used there is no event but why it was `refused`; nor where all that is said of it is that it is `gone`.
    """

    key: str
    event: bytes | None
    version: int | None
    refused: str | None
    gone: int


class SecondReading:
    """Reads a source to its end, and on from there when asked again."""

    def __init__(
        self,
        feed: Feed,
        source: Source,
        codec: Codec,
        *,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        fields = [column.field for column in columns(feed)]
        self._source = source
        self._patience = patience
        self._clock = clock
        self._state = State()
        self._changes = Changes(fields, self._state, by_time=by_time(feed))
        dead = codec.encoder(dead_letter_topic(feed.topic))
        self._messages = Messages(feed, fields, codec.encoder(feed.topic), dead)
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(f"pragma journal_mode=off; pragma synchronous=off; {_TABLES}")
        self._position: Position = {}
        self.holds_all = bool(feed.source.get("start_lists_all", False))
        self.to_the_end = True

    def read_to(self, instant: int) -> None:
        """Read until all that the source held at `instant` (microseconds) has been read.

        `to_the_end` says whether it got so far within its patience: a file that never becomes
        whole, say, keeps a source from telling so. Raises what a source raises.
        """
        patient_until = time.monotonic() + (self._patience if self.to_the_end else 0)
        while True:
            batch = self._next()
            self._take(batch)
            self.to_the_end = batch.complete_to is not None and batch.complete_to >= instant
            if self.to_the_end:
                return
            if batch.more:
                continue
            if time.monotonic() >= patient_until:
                return
            time.sleep(_PAUSE_SECONDS)

    def of(self, keys: Sequence[str]) -> dict[str, Said]:
        """What the source says of these keys."""
        found: dict[str, Said] = {}
        for start in range(0, len(keys), _AT_ONCE):
            chunk = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(chunk))
            rows = self._database.execute(
                f"select key, event, version, refused, gone from said where key in ({marks})", chunk
            )
            found.update((row[0], Said._make(row)) for row in rows)
        return found

    def first_look(self, keys: Sequence[str]) -> list[str]:
        """Those of these keys that have not been looked at; they have been now."""
        insert = "insert or ignore into looked_at values (?)"
        return [key for key in keys if self._database.execute(insert, (key,)).rowcount]

    def not_looked_at(self) -> Iterator[list[Said]]:
        """All else that the source says, in parts."""
        last = ""
        while True:
            rows = self._database.execute(
                "select key, event, version, refused, gone from said where key > ? "
                "and key not in (select key from looked_at) order by key limit ?",
                (last, _AT_ONCE),
            ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [Said._make(row) for row in rows]

    @property
    def keyless(self) -> int:
        """How many different rows were refused of which nobody can tell what record they are."""
        return int(self._database.execute("select count(*) from keyless").fetchone()[0])

    def look_anew(self) -> None:
        """Forget what has been looked at."""
        self._database.execute("delete from looked_at")

    def close(self) -> None:
        self._source.close()
        self._state.close()
        self._database.close()

    def _next(self) -> Batch:
        """Read, and read again where what failed may mend by itself."""
        patient_until = time.monotonic() + self._patience
        while True:
            try:
                return self._source.read(self._position)
            except TransientError:
                if time.monotonic() >= patient_until:
                    raise
                time.sleep(_PAUSE_SECONDS)

    def _take(self, batch: Batch) -> None:
        """As the connector does, but for publishing."""
        found = self._changes.of(batch)
        self._database.execute("begin")
        self._note(found.changes)
        self._refuse(found.dead)
        self._lay_aside(batch.rows)
        if batch.snapshot_ends:
            while removals := self._changes.removals(_REMOVALS_AT_ONCE, "not in the source"):
                self._note(removals)
            self._state.end_snapshot()
        self._database.execute("commit")
        self._state.keep()
        whole = batch.snapshot_ends and not batch.keys_only
        self.holds_all = self.holds_all or batch.current or whole
        self._position = batch.position

    def _note(self, changes: Sequence[Change]) -> None:
        now = int(self._clock() * 1_000_000)
        noted: dict[str, Known] = {}
        for change in changes:
            try:
                event = self._messages.event(change, now).value
            except BadRecordError as error:
                self._refuse([Dead(b"", as_refused(change.row, str(error)))])
                continue
            version = None if change.row.version is None else change.known.version
            self._database.execute(
                "insert into said (key, event, version) values (?, ?, ?) on conflict do update set "
                "event = excluded.event, version = excluded.version, refused = null, gone = 0",
                (change.key, event, version),
            )
            noted[change.key] = change.known
        self._state.put(noted)

    def _lay_aside(self, rows: Sequence[Row | Refused]) -> None:
        """A deletion of what was never told of is no event, but says what must not be shown."""
        gone = [(row.key,) for row in rows if isinstance(row, Row) and row.removed and row.key is not None]
        self._database.executemany(
            "insert into said (key, gone) values (?, 1) on conflict do update set gone = event is null", gone
        )

    def _refuse(self, dead: Sequence[Dead]) -> None:
        """A refused row takes nothing from what an earlier one of its key said."""
        for each in dead:
            if each.refused.key is None:
                insert = "insert or ignore into keyless values (?)"
                self._database.execute(insert, (each.refused.sha256,))
                continue
            self._database.execute(
                "insert into said (key, refused) values (?, ?) on conflict do update set "
                "refused = excluded.refused where event is null",
                (each.refused.key, each.refused.reason),
            )
