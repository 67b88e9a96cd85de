"""What `[source]` states for `kind = "files"`."""

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from connectors.sources.columns import Column
from connectors.sources.encoded import encoding_fault
from connectors.sources.stated import SourceTable, Stated, VersionNumber, columns, stated
from hub.errors import ConfigurationError
from hub.forces import Feed


class Whole(Stated):
    """What proves a file whole. All that is stated must hold.

    `marker` is what follows the file's name in the name of an empty file beside it;
    `trailer` the first field of a last line that counts the rows; `stable_seconds` how long
    size and time of change must stay the same.
    """

    marker: str | None = Field(None, min_length=1)
    trailer: str | None = Field(None, min_length=1)
    stable_seconds: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if self.marker is None and self.trailer is None and self.stable_seconds is None:
            raise ValueError("states nothing; give marker, trailer or stable_seconds")
        return self


class Removed(Stated):
    """A row with one of these values in this column is a deletion."""

    column: str
    values: tuple[str, ...] = Field(min_length=1)


class Only(Stated):
    """Only rows with this value are this force's; `known` are all forces' values.

    Where `claims_unknown` is set, a row of none of them is a dead letter of this feed.
    """

    column: str
    equals: str
    known: tuple[str, ...] = ()
    claims_unknown: bool = False

    @model_validator(mode="after")
    def _known_where_claimed(self) -> Self:
        if self.claims_unknown and self.equals not in self.known:
            raise ValueError(f"claims_unknown needs known: '{self.equals}' and the other forces' values")
        return self


class FixedColumn(Stated):
    """A column of a fixed-width file; its first character counts as 1."""

    name: str
    start: int = Field(ge=1)
    width: int = Field(ge=1)


class FilesSettings(SourceTable):
    """How drops are told, split and taken.

    `pattern` is of file names (`INC_*.csv`), whose order is the order of reading. Columns are
    named by the first line, by `header`, or by `fixed` for fixed-width files; `key`, `removed` and
    `only` speak of them by the source's names. An append file that comes after one that sorts
    later is held unless `late` says to read it.
    """

    kind: Literal["files"]
    pattern: str = Field(min_length=1)
    mode: Literal["append", "snapshot"]
    whole: Whole
    key: tuple[str, ...] = Field(min_length=1)
    encoding: str = "cp1252"
    delimiter: str = ","
    quote: str = '"'
    header: tuple[str, ...] | None = Field(None, description="Names of the columns where a file has none.")
    fixed: tuple[FixedColumn, ...] = ()
    line_length: int | None = Field(None, ge=1)
    version: Literal["observed"] | VersionNumber = "observed"
    removed: Removed | None = None
    only: Only | None = None
    late: Literal["hold", "read"] = "hold"

    @property
    def version_column(self) -> str | None:
        return self.version.number if isinstance(self.version, VersionNumber) else None

    @property
    def removed_column(self) -> str | None:
        return self.removed.column if self.removed else None

    @property
    def only_column(self) -> str | None:
        return self.only.column if self.only else None

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, value: str) -> str:
        if fault := encoding_fault(value):
            raise ValueError(fault)
        return value

    @field_validator("delimiter", "quote")
    @classmethod
    def _one_character(cls, value: str) -> str:
        if len(value) > 1 or not value.isascii() or value in {"\r", "\n", "\0"}:
            raise ValueError("is one ASCII character, and no line end")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if problems := list(self._misfits()):
            raise ValueError("; ".join(problems))
        return self

    def _misfits(self) -> Iterable[str]:
        if not self.delimiter or self.delimiter == self.quote:
            yield "delimiter must be one character, another than quote"
        if self.fixed and self.header:
            yield "fixed names the columns; leave header out"
        if self.line_length is not None and not self.fixed:
            yield "line_length is for fixed columns; leave it out"
        if self.mode == "snapshot" and self.whole.marker is None and self.whole.trailer is None:
            yield "a snapshot is proved whole by whole.marker or whole.trailer: what it lacks is removed"
        if self.mode == "snapshot" and self.removed:
            yield "a snapshot says what is removed by leaving it out; leave removed out"


def files_settings(feed: Feed) -> tuple[FilesSettings, tuple[Column, ...]]:
    """Read and check a feed's `[source]`; ConfigurationError with one problem a line."""
    settings, asked = stated(feed, FilesSettings), columns(feed)
    problems = [
        f"{feed.schema}: row field '{column.field}' is {column.kind}; a file gives text, so make it a string."
        for column in asked
        if column.kind != "string"
    ]
    table = "fixed" if settings.fixed else "header"
    names = set(settings.header or ()) | {column.name for column in settings.fixed}
    problems += [
        f"{feed.file}: 'source.{table}': no column '{name}', which is read; name it there."
        for name in needed(settings, asked)
        if names and name not in names
    ]
    if problems:
        raise ConfigurationError("\n".join(problems))
    return settings, asked


def needed(settings: FilesSettings, asked: Iterable[Column]) -> list[str]:
    """Every column that is read, in order, without repeats."""
    ways = (settings.version_column, settings.removed_column, settings.only_column)
    names = [*(column.name for column in asked), *settings.key, *(way for way in ways if way)]
    return list(dict.fromkeys(names))
