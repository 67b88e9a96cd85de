"""Drops in a folder, on this machine or over SFTP: delimited or fixed-width, each read once and whole."""

import time
from collections.abc import Callable

from connectors.source import Batch, Position
from connectors.sources.drops import Drops, Listing
from connectors.sources.files_count import count_rows
from connectors.sources.files_settings import files_settings
from connectors.sources.folder import Look
from connectors.sources.folders import open_folder
from connectors.sources.ledger import Ledger
from connectors.sources.reading import Reading
from connectors.sources.rows import Made
from hub.errors import HubError, TransientError
from hub.forces import Feed

_ROWS = 1000
_BYTES = 4 * 1024 * 1024
_LATE_COPY = "it is left unread. Should it be newer than those it sorts before, rename it to sort last."


class FilesSource:
    """Reads the files of one feed, in order of name.

    A file with the bytes of the one read before it is a copy and brings nothing; so is an append
    file that sorts before others that are read. One that sorts last is the newest word of the
    source, though an earlier one had the same bytes: it is read, for what went back to it. A
    snapshot ends proved whole only if every refused line was told to be some record's: a
    line that could be anyone's must not make a leaver of anyone.
    """

    def __init__(
        self,
        feed: Feed,
        location: str,
        secret: str | None,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._feed = feed
        self._settings, self._columns = files_settings(feed)
        self._snapshot = self._settings.mode == "snapshot"
        self._folder = open_folder(location, secret)
        self._drops = Drops(self._folder, self._settings, clock, ticks)
        self._told: set[str] = set()
        self._copies = 0
        self._after: Position | None = None
        self._reading: Reading | None = None
        self._listing = Listing(0)
        self._ledger = Ledger({}, snapshot=self._snapshot)

    def read(self, position: Position) -> Batch:
        try:
            return self._read(position)
        except OSError as error:
            raise self._unreadable(error) from error

    def _read(self, position: Position) -> Batch:
        if self._after is None or (position is not self._after and position != self._after):
            self._start_from(position)
        self._after = None  # after an error nothing is trusted but the position
        if self._reading is None and not self._listing.ready:
            if self._drops.is_tired():
                self._after = position
                return Batch((), position)
            self._listing = self._drops.list(self._ledger)
        batch = self._read_snapshot(position) if self._snapshot else self._read_append(position)
        self._after = batch.position
        return batch

    def count(self) -> int:
        """The distinct keys in the files, cancelled ones left out; of snapshots, in the newest whole one."""
        try:
            return count_rows(self._folder, self._drops, self._settings)
        except OSError as error:
            raise self._unreadable(error) from error

    def close(self) -> None:
        self._stop_reading()
        self._folder.close()

    def _unreadable(self, error: OSError) -> TransientError:
        return TransientError(
            f"{self._feed}: {error.filename or 'a file'} cannot be read: {error.strerror or error}; tried "
            "again. If it stays so, let this user read it."
        )

    def _start_from(self, position: Position) -> None:
        self._stop_reading()
        self._listing = Listing(0)
        self._ledger = Ledger(position, snapshot=self._snapshot)

    def _read_append(self, position: Position) -> Batch:
        made, notes, spent = Made(), self._notes(), 0
        while len(made.rows) < _ROWS and spent < _BYTES:
            try:
                reading = self._reading or self._begin(notes)
            except HubError:
                if not made.read:
                    raise
                break  # what was read before goes out first; the next read meets this again
            if reading is None:
                break
            spent += self._take(reading, _ROWS - len(made.rows), made)
        return self._batch(position, made, notes)

    def _read_snapshot(self, position: Position) -> Batch:
        made, notes = Made(), self._notes()
        reading = self._reading or self._begin(notes)
        if reading is None:
            return self._batch(position, made, notes)
        self._take(reading, _ROWS, made)
        done = self._reading is None
        if done and reading.unclear:
            notes.append(
                f"file {reading.name}: {reading.unclear} refused lines could be anyone's: none is removed."
            )
        name = f"{reading.name} {reading.sha256[:16]}"
        return self._batch(position, made, notes, name, ends=done and not reading.unclear)

    def _take(self, reading: Reading, most: int, made: Made) -> int:
        """Read some lines, or find the end; returns the bytes read."""
        offset = reading.offset
        if reading.take(most, made):
            self._ledger.reached(
                reading.name,
                reading.sha256,
                line=reading.line,
                offset=reading.offset,
                rows=reading.rows,
                unclear=reading.unclear,
            )
        else:
            self._finish(reading)
        return reading.offset - offset

    def _finish(self, reading: Reading) -> None:
        self._ledger.finish(
            reading.name, reading.sha256, reading.look, at=self._listing.at, unclear=reading.unclear
        )
        self._stop_reading()
        self._listing.ready.pop(0)

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _batch(
        self,
        position: Position,
        made: Made,
        notes: list[str],
        snapshot: str | None = None,
        *,
        ends: bool = False,
    ) -> Batch:
        after = self._ledger.position()
        copies, self._copies = self._copies, 0
        more = self._reading is not None or bool(self._listing.ready)
        unclear = self._snapshot and self._ledger.last["unclear"]
        quiet = not more and not self._listing.waiting and not unclear
        return Batch(
            rows=made.rows,
            position=position if after == position else after,
            complete_to=self._listing.at if quiet else None,
            more=more,
            other_force=made.other_force,
            snapshot=snapshot,
            snapshot_ends=ends,
            one_a_key=snapshot is not None,
            notes=notes,
            copies=copies,
        )

    def _notes(self) -> list[str]:
        """What is new to say about the files that are there, each thing once."""
        return [note for note in (*self._listing.notes, *self._listing.waiting) if self._is_news(note)]

    def _is_news(self, note: str) -> bool:
        new = note not in self._told
        self._told.add(note)
        return new

    def _begin(self, notes: list[str]) -> Reading | None:
        """Open the next file that is news; None where there is none."""
        while self._listing.ready:
            name = self._listing.ready[0]
            try:
                reading = self._open(name, self._listing.present[name], notes)
            except FileNotFoundError:
                raise TransientError(
                    f"{self._feed}: file {name} was gone before it was read; listed again."
                ) from None
            if reading is not None:
                return reading
            self._listing.ready.pop(0)
        return None

    def _open(self, name: str, look: Look, notes: list[str]) -> Reading | None:
        sha256 = self._drops.sha256(name, look)
        if sha256 is None:
            raise TransientError(f"{self._feed}: file {name} changed while it was looked at; listed again.")
        if self._is_copy(name, sha256, look, notes) or self._is_held(name, notes):
            return None
        reading = Reading(
            self._feed, self._settings, self._columns, self._folder, self._drops, name, look, sha256
        )
        self._reading = reading
        if reading.unread and self._is_news(f"{reading.unread}"):
            unread = ", ".join(reading.unread)
            notes.append(f"file {name} has columns that are not asked for and not read: {unread}.")
        current = self._ledger.current
        if current is not None and (current["name"], current["sha256"]) == (name, sha256):
            reading.resume(current)
        elif current is not None:
            self._ledger.drop_current()
            notes.append(f"file {current['name']} was not read from line {current['line']} on: it has gone.")
        return reading

    def _is_copy(self, name: str, sha256: str, look: Look, notes: list[str]) -> bool:
        """Whether a file need not be read; who left it unread is told how to have it read after all."""
        before, last = self._ledger.read_as(sha256), self._ledger.last
        late = name < last["name"]
        if before is None or (sha256 != last["sha256"] and not late):
            return False
        what = _LATE_COPY if late else "it brings nothing new."
        note = f"file {name} holds the same bytes as {before}, which is read: {what}"
        if look.size and self._ledger.content(name) != sha256 and self._is_news(note):
            self._copies += 1
            notes.append(note)
        self._ledger.leave(name, sha256, look, at=self._listing.at)
        return True

    def _is_held(self, name: str, notes: list[str]) -> bool:
        """Whether an append file comes after one that sorts later: its rows could be the older ones."""
        if self._snapshot or self._settings.late == "read" or name >= self._ledger.last["name"]:
            return False
        held = (
            f"file {name} sorts before others that are read: its rows could undo newer ones. Rename it to "
            'sort last, or set late = "read".'
        )
        self._listing.waiting.append(held)
        if self._is_news(held):
            notes.append(held)
        return True
