"""A folder of drops made up for a test."""

import contextlib

from connectors.sources.files import FilesSource
from tests.reading import feed_of

COLUMNS = ("Log No", "Log Date", "Action", "Text")
HEADER = b"Log No,Log Date,Action,Text"


class Folder:
    """Drops of one feed, and a clock that the test moves."""

    def __init__(self, path, **source):
        self.path = path / "drops"
        self.path.mkdir()
        self.now = 1_480_000_000.0
        settings = {
            "kind": "files", "pattern": "INC_*.csv", "mode": "append", "whole": {"marker": ".done"},
            "key": ["Log Date", "Log No"], "removed": {"column": "Action", "values": ["X"]},
        }  # fmt: skip
        if source.get("mode") == "snapshot":
            del settings["removed"]
        self.feed = feed_of(path, source.pop("columns", COLUMNS), **{**settings, **source})
        self._opened = contextlib.ExitStack()

    def drop(self, name, *lines, header=HEADER, end=b"\r\n", marked=True):
        """Write a whole file of these lines, each bytes."""
        file = self.write(name, b"".join(line + end for line in (header, *lines)))
        if marked:
            self.mark(name)
        return file

    def write(self, name, content):
        file = self.path / name
        file.write_bytes(content)
        return file

    def mark(self, name):
        (self.path / f"{name}.done").touch()

    def source(self, feed=None):
        """A source as a process that has just started has it."""
        source = FilesSource(
            feed or self.feed, str(self.path), None, clock=lambda: self.now, ticks=lambda: self.now
        )
        self._opened.callback(source.close)
        return source

    def close(self):
        self._opened.close()
