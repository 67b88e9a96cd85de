"""One drop opened for reading: its header checked, its rows made, the place in it told."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

from connectors.sources.columns import Column
from connectors.sources.delimited import Delimited
from connectors.sources.encoded import guess_fault, resolve
from connectors.sources.files_settings import FilesSettings, needed
from connectors.sources.fixed_width import FixedWidth
from connectors.sources.lines import Lines
from connectors.sources.rows import Made, RowMaker
from connectors.sources.split import Text
from hub.errors import SourceChangedError
from hub.forces import Feed


@contextmanager
def _closed_on_error(handle: BinaryIO) -> Iterator[None]:
    """Close a handle if what is done with it fails."""
    with ExitStack() as stack:
        stack.callback(handle.close)
        yield
        stack.pop_all()


class DropFile:
    """A file whose header has been read. `unread` names its columns that are left alone."""

    def __init__(
        self,
        feed: Feed,
        settings: FilesSettings,
        columns: Sequence[Column],
        name: str,
        handle: BinaryIO,
        end: int,
    ) -> None:
        self._feed, self._settings, self._columns = feed, settings, columns
        self._name, self._handle = name, handle
        with _closed_on_error(handle):
            self._head = handle.read(4)
            self._encoding, mark = self._resolved()
            self._lines = Lines(handle, "\n".encode(self._encoding), offset=mark, number=1, end=end)
            self._text, names = self._open()
            self.empty = names is None
            if names is None:
                names = needed(settings, columns)
            self.unread = self._check(names)
            self._rows = RowMaker(settings, columns, names, name)

    @property
    def offset(self) -> int:
        return self._lines.offset

    @property
    def line(self) -> int:
        return self._lines.number

    def go_to(self, offset: int, line: int) -> None:
        """Go on at a line that an earlier reading of the same bytes ended before."""
        self._lines.go_to(offset, line)

    def read(self, most: int, made: Made) -> bool:
        """Add the rows of up to `most` more lines to `made`; False at the end."""
        return self._rows.make(self._text, most, made)

    def close(self) -> None:
        self._handle.close()

    def _resolved(self) -> tuple[str, int]:
        try:
            return resolve(self._settings.encoding, self._head)
        except ValueError as error:
            raise SourceChangedError(f"{self._feed}: file {self._name}: {error}.") from None

    def _open(self) -> tuple[Text, list[str] | None]:
        settings, lines = self._settings, self._lines
        if settings.fixed:
            cuts = [(column.start - 1, column.start - 1 + column.width) for column in settings.fixed]
            text = FixedWidth(lines, encoding=self._encoding, cuts=cuts, length=settings.line_length)
            return text, [column.name for column in settings.fixed]
        split = Delimited(lines, encoding=self._encoding, delimiter=settings.delimiter, quote=settings.quote)
        if settings.header:
            split.width = len(settings.header)
            return split, list(settings.header)
        try:
            return split, split.header()
        except ValueError as error:
            raise SourceChangedError(
                f"{self._feed}: file {self._name}: its header cannot be read: {error}.{self._guess()}"
            ) from None

    def _check(self, names: Sequence[str]) -> list[str]:
        """Stop where a column is missing or stands twice; the columns not asked for are never kept."""
        wanted = needed(self._settings, self._columns)
        missing = [name for name in wanted if name not in names]
        twice = [name for name in wanted if names.count(name) > 1]
        for fault, found in (("has no column", missing), ("has more than one column", twice)):
            if found:
                raise SourceChangedError(
                    f"{self._feed}: file {self._name} {fault} {_quoted(found)}. Ask for it, or give its "
                    f"new name in {self._feed.schema} (`column`) and {self._feed.file}.{self._guess()}"
                )
        asked = set(wanted)
        self._text.keep = tuple(index for index, name in enumerate(names) if name in asked)
        return [name for name in names if name not in asked]

    def _guess(self) -> str:
        return guess_fault(self._settings.encoding, self._head)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
