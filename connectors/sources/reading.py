"""One drop being read: opened, resumed, read in parts, and proved to be what it said it was."""

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.sources.columns import Column
from connectors.sources.drop_file import DropFile
from connectors.sources.drops import Drops
from connectors.sources.files_settings import FilesSettings
from connectors.sources.folder import Folder, Look
from connectors.sources.rows import Made
from hub.errors import SourceChangedError, TransientError
from hub.forces import Feed


class Reading:
    """A file read in part. `rows` counts its lines so far, `unclear` those that could be any record's."""

    def __init__(
        self,
        feed: Feed,
        settings: FilesSettings,
        columns: Sequence[Column],
        folder: Folder,
        drops: Drops,
        name: str,
        look: Look,
        sha256: str,
    ) -> None:
        self._feed, self._settings, self._folder = feed, settings, folder
        self.name, self.look, self.sha256 = name, look, sha256
        self._end, self._stated = self._ends(drops)
        self._drop = DropFile(feed, settings, columns, name, folder.open(name), self._end)
        self.unread: Sequence[str] = self._drop.unread
        self.rows = self.unclear = 0
        if self._drop.empty and settings.mode == "snapshot":
            self.close()
            raise SourceChangedError(
                f"{feed}: file {name} is empty, and a snapshot has a header at least: ask for it again."
            )

    @property
    def offset(self) -> int:
        return self._drop.offset

    @property
    def line(self) -> int:
        return self._drop.line

    def resume(self, reached: Mapping[str, Any]) -> None:
        """Go on where an earlier reading of the same bytes stood."""
        self._drop.go_to(reached["offset"], reached["line"])
        self.rows, self.unclear = reached["rows"], reached["unclear"]

    def take(self, most: int, made: Made) -> bool:
        """Add the rows of up to `most` more lines to `made`; False at the end, once that is proved."""
        rows, unclear = made.read, made.unclear
        more = self._drop.read(most, made)
        self.rows += made.read - rows
        self.unclear += made.unclear - unclear
        self._check_same()
        if not more:
            self._check_whole()
        return more

    def close(self) -> None:
        self._drop.close()

    def _ends(self, drops: Drops) -> tuple[int, int | None]:
        """Where the rows end, and how many the trailer says there are."""
        trailer = self._settings.whole.trailer
        if trailer is None:
            return self.look.size, None
        tail = drops.tail(self.name, self.look)
        if tail.count is None:
            raise SourceChangedError(
                f"{self._feed}: file {self.name} is marked whole, but its last line is not '{trailer}' with "
                "the count of rows: it is cut short. Nothing is removed by it; ask for it again."
            )
        return tail.start, tail.count

    def _check_same(self) -> None:
        try:
            same = self._folder.look(self.name) == self.look
        except FileNotFoundError:
            same = True  # taken away after it was opened: what is open can be read to its end
        if not same:
            raise TransientError(f"{self._feed}: file {self.name} changed while it was read; read again.")

    def _check_whole(self) -> None:
        if self.offset != self._end:
            raise TransientError(f"{self._feed}: file {self.name} was cut while it was read; read again.")
        if self._stated is not None and self._stated != self.rows:
            raise SourceChangedError(
                f"{self._feed}: file {self.name} says it has {self._stated} rows but has {self.rows}: it "
                "is not whole, so nothing is removed by it. Ask for it again, or take it away."
            )
