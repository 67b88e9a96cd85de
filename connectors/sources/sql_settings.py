"""What `[source]` states for `kind = "sql"`."""

from collections.abc import Iterable, Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from connectors.sources.columns import Column
from connectors.sources.stated import SourceTable, Stated, VersionNumber, columns, stated
from hub.errors import ConfigurationError
from hub.forces import Feed

LOCAL_OVERLAP_SECONDS = 7200
"""Local time runs back an hour each October, and a row may be an hour late as well."""


class Watermark(Stated):
    """The column that a change always raises: a time as YYYY-MM-DD HH:MM:SS, or a number.

    `local` says that it is British local time, which runs back an hour each October. Reading
    goes back by `overlap_seconds` (a time) or `overlap_numbers` (a number), again and again,
    for changes that became visible late. What is complete is told by going back so far, where
    time is local by `longest_transaction_seconds` alone outside the October night.
    """

    column: str
    local: bool = False
    overlap_seconds: float | None = Field(None, ge=0)
    overlap_numbers: int = Field(10_000, ge=0)


class Flag(Stated):
    """The row is deleted where `column` has one of `values`."""

    column: str
    values: tuple[bool | int | str, ...] = Field(min_length=1)


class VersionTime(Stated):
    """The source's version is the time in this column, which must not run back."""

    time: str


class SqlSettings(SourceTable):
    """A table or view, read by watermark or by comparing snapshots."""

    kind: Literal["sql"]
    table: str = Field(min_length=1)
    key: tuple[str, ...] = Field(min_length=1)
    watermark: Watermark | None = None
    snapshot: bool = False
    version: Literal["observed"] | VersionNumber | VersionTime = "observed"
    deleted: Flag | None = None
    snapshot_seconds: float = Field(5, gt=0)
    sweep_seconds: float | None = Field(None, gt=0)
    overlap_every_seconds: float = Field(5, gt=0)
    longest_transaction_seconds: float = Field(300, ge=0)

    @model_validator(mode="after")
    def _one_way_to_read(self) -> Self:
        if self.snapshot == (self.watermark is not None):
            raise ValueError(
                "state either 'watermark', the column that every change raises, or 'snapshot = true' "
                "where there is none"
            )
        if self.snapshot and self.sweep_seconds is not None:
            raise ValueError("'sweep_seconds' is for 'watermark'; a snapshot finds deletions by itself")
        return self

    @model_validator(mode="after")
    def _overlap_is_long_enough(self) -> Self:
        mark = self.watermark
        if mark is not None and mark.overlap_seconds is not None and mark.overlap_seconds < self._least:
            why = "since local time runs back each October" if mark.local else "the longest transaction"
            raise ValueError(
                f"'watermark.overlap_seconds' is {mark.overlap_seconds:g}; "
                f"it must be at least {self._least:g}, {why}"
            )
        return self

    @model_validator(mode="after")
    def _version_does_not_run_back(self) -> Self:
        mark, version = self.watermark, self.version
        if mark and mark.local and isinstance(version, VersionTime) and version.time == mark.column:
            raise ValueError(
                f"'version.time' is '{mark.column}', which runs back each October; use version = \"observed\""
            )
        return self

    @property
    def overlap_seconds(self) -> float:
        """How far overlap scans go back."""
        stated_overlap = self.watermark.overlap_seconds if self.watermark else None
        return self._least if stated_overlap is None else stated_overlap

    @property
    def version_column(self) -> str | None:
        if isinstance(self.version, VersionNumber):
            return self.version.number
        return self.version.time if isinstance(self.version, VersionTime) else None

    @property
    def _least(self) -> float:
        local = LOCAL_OVERLAP_SECONDS if self.watermark and self.watermark.local else 0
        return max(local, self.longest_transaction_seconds)


def sql_settings(feed: Feed) -> tuple[SqlSettings, tuple[Column, ...]]:
    """Read the settings of a feed and the columns of its row, which must hold all it needs.

    Raises `ConfigurationError` with one problem a line.
    """
    settings, held = stated(feed, SqlSettings), columns(feed)
    problems = [*_unknown(feed, settings, held), *_unfit(feed, held)]
    if problems:
        raise ConfigurationError("\n".join(problems))
    return settings, held


def _unknown(feed: Feed, settings: SqlSettings, held: Iterable[Column]) -> Iterator[str]:
    names = {column.name for column in held}
    named = [(f"source.key.{place}", name) for place, name in enumerate(settings.key)]
    if settings.watermark:
        named.append(("source.watermark.column", settings.watermark.column))
    if settings.deleted:
        named.append(("source.deleted.column", settings.deleted.column))
    if settings.version_column:
        named.append(("source.version", settings.version_column))
    for key, name in named:
        if name not in names:
            yield (
                f"{feed.file}: '{key}': column '{name}' is not in {feed.schema.name}; "
                "only columns of its row are read, so add it there or correct the name."
            )


def _unfit(feed: Feed, held: Iterable[Column]) -> Iterator[str]:
    for column in held:
        if column.kind == "list":
            yield f"{feed.schema}: row field '{column.field}': a column of a table is no list; use a string."
