"""A backfill as operators ask for it: which records of a feed to read again, and how fast."""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hub.errors import BadQueryError

MOST_KEYS = 10_000
"""Keys of one backfill; for more, name a range of time."""

ROWS_A_SECOND = 500.0

OVER = frozenset({"done", "cancelled", "failed"})
"""The phases in which nothing of a backfill is left to be done."""


class Backfill(BaseModel):
    """Rows of these keys, or changed or created from `since` up to but not at `until`.

    A row that is as it was published is no new version; so a backfill is for rows that were
    missed, and for those whose event was set aside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(default_factory=lambda: uuid.uuid4().hex[:12])
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    keys: frozenset[str] = Field(frozenset(), max_length=MOST_KEYS)
    rate: float = Field(ROWS_A_SECOND, gt=0, description="Rows a second, of those read and those taken.")

    @model_validator(mode="after")
    def _keys_or_times(self) -> Self:
        if bool(self.keys) == (self.since is not None or self.until is not None):
            raise ValueError("a backfill is of keys, or of a time from `since` to `until`")
        if not self.keys and (self.since is None or self.until is None or self.since >= self.until):
            raise ValueError("`since` and `until` are both needed, and `until` is the later one")
        return self

    @property
    def span(self) -> tuple[int, int] | None:
        """The time asked for in microseconds UTC; None where keys are."""
        if self.since is None or self.until is None:
            return None
        return _micros(self.since), _micros(self.until)

    def in_words(self) -> str:
        """What is asked, without a key in it."""
        if self.since is None or self.until is None:
            return f"{len(self.keys)} keys"
        return f"from {self.since.isoformat()} until {self.until.isoformat()}"

    def as_value(self) -> dict[str, Any]:
        """As it is kept on the bus; `read_backfill` reads it."""
        return self.model_dump(mode="json") | {"keys": sorted(self.keys)}


def read_backfill(value: Any) -> Backfill:
    """Raises `BadQueryError` that says what is wrong."""
    try:
        return Backfill.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadQueryError(
            f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}."
        ) from error


def progress_in_words(progress: Mapping[str, Any]) -> str:
    """How far a backfill is, as its connector keeps it."""
    figures = [f"{progress[name]} {name}" for name in ("read", "published", "unchanged", "dead_lettered")]
    if progress["left"] is not None:
        figures.append(f"{progress['left']} left")
    error = f": {progress['error']}" if progress["error"] else ""
    asked = progress["asked"] or "?"
    return f"backfill {progress['id']} of {asked}: {progress['phase']}, {', '.join(figures)}{error}"


def _micros(at: dt.datetime) -> int:
    return (at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
