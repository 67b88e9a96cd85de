"""The position of a folder of drops: which are done, which was the last, where in one reading stands.

    done/<sha256>          {name, at, size, modified}   one for each file read to its end
    done/<sha256>/<name>   the same for another file of the same bytes; with `unread` where it was left so
    last                   {name, sha256, unclear}      the last of them in order of name
    current                {name, sha256, line, offset, rows, unclear}   a file read in part

In a snapshot the last is `~current`: it ends with the process, and the file is read from its start.
"""

from collections.abc import Iterator, Mapping
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
        self._newest = {
            entry["name"]: (sha256, Look(entry["size"], entry["modified"]))
            for sha256, entry in sorted(_done(position), key=lambda done: done[1]["at"])
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
        return name in self._newest and self._newest[name][1] == look

    def content(self, name: str) -> str | None:
        """The newest content that a file of this name had."""
        return self._newest[name][0] if name in self._newest else None

    def read_as(self, sha256: str) -> str | None:
        """The name of the first file that had this content, if one was read."""
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
        self._put(name, sha256, look, at)
        self._reach(name, sha256, unclear)

    def leave(self, name: str, sha256: str, look: Look, *, at: int) -> None:
        """Note that a file need not be read: it was, under this name or another."""
        before = self._entries.get(self._key(sha256, name), {"unread": True})
        self._put(name, sha256, look, at, **({"unread": True} if "unread" in before else {}))
        self._reach(name, sha256, self.last["unclear"])

    def forget(self, present: Mapping[str, Look], now: int) -> None:
        """Drop what was done long ago and is not in the folder any more, be it under the same name."""
        for key, entry in list(self._entries.items()):
            if not key.startswith("done/") or now - entry["at"] <= _KEPT_MICROS:
                continue
            name, sha256 = entry["name"], key.split("/")[1]
            if name not in present or self.content(name) != sha256:
                del self._entries[key]
            if name not in present:
                self._newest.pop(name, None)

    def _key(self, sha256: str, name: str) -> str:
        first = self.read_as(sha256)
        return f"done/{sha256}" if first in {None, name} else f"done/{sha256}/{name}"

    def _put(self, name: str, sha256: str, look: Look, at: int, **more: bool) -> None:
        entry = {"name": name, "at": at, "size": look.size, "modified": look.modified}
        self._entries[self._key(sha256, name)] = {**entry, **more}
        self._newest[name] = sha256, look

    def _reach(self, name: str, sha256: str, unclear: int) -> None:
        if name >= self.last["name"]:
            self._entries["last"] = {"name": name, "sha256": sha256, "unclear": unclear}


def left_unread(position: Position) -> list[str]:
    """The files that were not read since another had the same bytes, in order of name."""
    return sorted(entry["name"] for _, entry in _done(position) if "unread" in entry)


def _done(position: Position) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each file done, with its content."""
    return ((key.split("/")[1], entry) for key, entry in position.items() if key.startswith("done/"))
