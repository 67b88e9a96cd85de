"""Which drops of a folder are to be read now, in order of name: whole ones that are new."""

import hashlib
import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from fnmatch import translate

from connectors.sources.encoded import resolve
from connectors.sources.files_settings import FilesSettings
from connectors.sources.folder import Folder, Look
from connectors.sources.ledger import Ledger
from connectors.sources.trailer import Tail, tail

_BLOCK = 1024 * 1024
_UNENDED_SECONDS = 2
"""How long a trailer without a line end must stand before it is taken for whole."""


@dataclass(slots=True)
class Listing:
    """What one look at the folder came to; `waiting` says of each file that waits what for."""

    at: int
    present: dict[str, Look] = field(default_factory=dict)
    ready: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Drops:
    """Lists a folder. What it remembers is only how long a file has looked the same, and hashes.

    `clock` tells the time of day, `ticks` measures how long: a clock set forward makes no file whole.
    """

    def __init__(
        self,
        folder: Folder,
        settings: FilesSettings,
        clock: Callable[[], float],
        ticks: Callable[[], float],
    ) -> None:
        self._folder, self._settings, self._clock, self._ticks = folder, settings, clock, ticks
        self._since: dict[str, tuple[Look, float]] = {}
        self._tails: dict[str, tuple[Look, Tail]] = {}
        self._hashes: dict[str, tuple[Look, str]] = {}
        self._matches = re.compile(translate(settings.pattern)).match
        self._listed = (0.0, 0.0)

    def list(self, ledger: Ledger) -> Listing:
        """List what is to be read after what the ledger says is done."""
        now = self._ticks()
        listing = Listing(int(self._clock() * 1_000_000))
        found, others = self._folder.list(self.is_drop)
        listing.present = {name: found[name] for name in sorted(found)}
        for memory in (self._since, self._tails, self._hashes):
            for name in memory.keys() - listing.present.keys():
                del memory[name]
        blocked = False
        for name, look in listing.present.items():
            if not ledger.is_done(name, look) and not blocked:
                blocked = self._sort(name, look, listing, ledger, others, now)
        if self._settings.mode == "append" and (current := ledger.current) is not None:
            # What is read in part is read to its end before what came meanwhile, wherever that sorts.
            listing.ready.sort(key=lambda name: name != current["name"])
        ledger.forget(listing.present, listing.at)
        self._listed = (now, self._ticks() - now)
        return listing

    def is_tired(self) -> bool:
        """Whether the last listing took so long that another now would take most of the time."""
        began, took = self._listed
        return began <= self._ticks() < began + 10 * took

    def is_drop(self, name: str) -> bool:
        """Whether a file of this name is one to read, sooner or later."""
        marker = self._settings.whole.marker
        return self._matches(name) is not None and not (marker and name.endswith(marker))

    def _sort(
        self, name: str, look: Look, listing: Listing, ledger: Ledger, names: AbstractSet[str], now: float
    ) -> bool:
        """Put a file where it belongs; True where those after it must wait for it."""
        append = self._settings.mode == "append"
        late = name < ledger.last["name"]
        if late and not append:
            listing.notes.append(
                f"file {name} is older than {ledger.last['name']}, which is read: left aside."
            )
            return False
        if fault := _name_fault(name) or self._not_whole(name, look, names, now):
            listing.waiting.append(fault)
            return append and not late
        listing.ready.append(name)
        return False

    def _not_whole(self, name: str, look: Look, names: AbstractSet[str], now: float) -> str:
        """Say what a file waits for, "" where it is proved whole."""
        whole = self._settings.whole
        steady = self._steady(name, look, now)
        if whole.stable_seconds is not None and steady < whole.stable_seconds:
            return f"file {name} waits until it has stayed the same for {whole.stable_seconds} s."
        if whole.marker is not None:
            return (
                ""
                if name + whole.marker in names
                else f"file {name} waits for its marker {name}{whole.marker}."
            )
        end = self._tail(name, look)
        if whole.trailer is not None and end.count is None:
            return f"file {name} waits for its last line, '{whole.trailer}' with the count of rows."
        if not end.ended and (whole.trailer is None or steady < _UNENDED_SECONDS) and look.size:
            return f"file {name} waits for the end of its last line."
        return ""

    def _steady(self, name: str, look: Look, now: float) -> float:
        before, since = self._since.get(name, (None, now))
        if before != look:
            since = now
        self._since[name] = (look, since)
        return now - since

    def _tail(self, name: str, look: Look) -> Tail:
        known = self._tails.get(name)
        if known is None or known[0] != look:
            known = self._tails[name] = (look, self.tail(name, look))
        return known[1]

    def sha256(self, name: str, look: Look) -> str | None:
        """The hash of a whole file, reckoned once; None where it is not what it looked like."""
        known = self._hashes.get(name)
        if known is not None and known[0] == look:
            return known[1]
        digest, size = hashlib.sha256(), 0
        with self._folder.open(name) as handle:
            while block := handle.read(_BLOCK):
                digest.update(block)
                size += len(block)
        if size != look.size or self._folder.look(name) != look:
            return None
        self._hashes[name] = (look, digest.hexdigest())
        return digest.hexdigest()

    def tail(self, name: str, look: Look) -> Tail:
        """Look at the end of a file; FileNotFoundError where it is gone."""
        settings = self._settings
        with self._folder.open(name) as handle:
            try:
                encoding, _ = resolve(settings.encoding, handle.read(4))
            except ValueError:
                return Tail(ended=False, start=look.size, count=None)
            return tail(
                handle,
                look.size,
                encoding=encoding,
                trailer=settings.whole.trailer,
                delimiter=" " if settings.fixed else settings.delimiter,
            )


def _name_fault(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        return f"file {name!r} has a name that is not UTF-8: rename it."
    return ""
