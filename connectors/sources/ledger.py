"""The position of a folder of drops: which are done, which was the last, where in one reading stands.

    done/<sha256>   {name, at, size, modified}   one for each file read to its end
    last            {name, sha256, unclear}      the last of them in order of name
    current         {name, sha256, line, offset, rows, unclear}   a file read in part

In a snapshot the last is `~current`: it ends with the process, and the file is read from its start.
"""

from collections.abc import Mapping
from typing import Any

from connectors.source import Position
from connectors.sources.folder import Look

_KEPT_MICROS = 90 * 86_400 * 1_000_000
"""How long a file is remembered after it was read, once it has left the folder."""


class Ledger:
    """A position, looked up by name and by content. `position()` gives what it has come to."""

    def __init__(self, position: Position, *, snapshot: bool) -> None:
        self._entries = dict(position)
        self._current = "~current" if snapshot else "current"
        self._looks = {
            entry["name"]: Look(entry["size"], entry["modified"])
            for key, entry in position.items()
            if key.startswith("done/")
        }

    def position(self) -> Position:
        return dict(self._entries)

    @property
    def last(self) -> Mapping[str, Any]:
        """The last file done; its name is "" before the first."""
        return self._entries.get("last", {"name": "", "sha256": "", "unclear": 0})  # type: ignore[no-any-return]

    @property
    def current(self) -> Mapping[str, Any] | None:
        return self._entries.get(self._current)

    def is_done(self, name: str, look: Look) -> bool:
        """Whether a file was read that had this name and looked the same."""
        return self._looks.get(name) == look

    def read_as(self, sha256: str) -> str | None:
        """The name of the file that had this content, if one was read."""
        entry = self._entries.get(f"done/{sha256}")
        return None if entry is None else str(entry["name"])

    def reached(self, name: str, sha256: str, *, line: int, offset: int, rows: int, unclear: int) -> None:
        """Note how far a file has been read."""
        self._entries[self._current] = {
            "name": name, "sha256": sha256, "line": line, "offset": offset, "rows": rows, "unclear": unclear
        }  # fmt: skip

    def drop_current(self) -> None:
        self._entries.pop(self._current, None)

    def finish(self, name: str, sha256: str, look: Look, *, at: int, unclear: int) -> None:
        """Note that a file has been read to its end."""
        self.drop_current()
        entry = {"name": name, "at": at, "size": look.size, "modified": look.modified}
        self._entries[f"done/{sha256}"] = entry
        self._looks[name] = look
        if name >= self.last["name"]:
            self._entries["last"] = {"name": name, "sha256": sha256, "unclear": unclear}

    def forget(self, present: Mapping[str, Look], now: int) -> None:
        """Drop what was done long ago and has left the folder."""
        for key, entry in list(self._entries.items()):
            if key.startswith("done/") and now - entry["at"] > _KEPT_MICROS and entry["name"] not in present:
                del self._entries[key]
                self._looks.pop(entry["name"], None)
