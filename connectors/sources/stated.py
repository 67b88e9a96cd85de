"""What a force's `[source]` table states, checked: every problem at once, with file, key and remedy."""

import difflib
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.sources.columns import Column, row_columns
from hub.errors import ConfigurationError
from hub.forces import Feed


class Stated(BaseModel):
    """A table of the configuration: nothing in it changes, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceTable(Stated):
    """What `[source]` states for every kind; the loop reads these, and the normaliser `strict_order`.

    With strict order later events of a key wait while a dead letter of it is not resolved; else
    newer versions pass.
    """

    max_removed_percent: float = Field(5, ge=0, le=100)
    max_bad_percent: float = Field(50, ge=0, le=100)
    poll_seconds: float = Field(0.1, gt=0)
    strict_order: bool = False


class VersionNumber(Stated):
    """The source numbers the versions of its records itself, in this column."""

    number: str


Table = TypeVar("Table", bound=Stated)


def columns(feed: Feed) -> tuple[Column, ...]:
    """The columns of the feed's schema; ConfigurationError where it cannot be read."""
    try:
        return row_columns(feed.schema)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{feed.schema}: not a force's schema: {error}") from error


def stated(feed: Feed, kind: type[Table]) -> Table:
    """Read `[source]` of a feed as `kind`; ConfigurationError with one problem a line."""
    try:
        return kind.model_validate(dict(feed.source))
    except ValidationError as error:
        raise ConfigurationError("\n".join(_problems(feed, kind, error))) from None


def _problems(feed: Feed, kind: type[Stated], error: ValidationError) -> Iterable[str]:
    for problem in error.errors():
        key = ".".join(str(part) for part in ("source", *problem["loc"]))
        yield f"{feed.file}: '{key}': {_remedy(kind, problem)}"


def _remedy(kind: type[Stated], problem: Any) -> str:
    if problem["type"] == "missing":
        return "missing; add it (a built-in force shows its form)."
    if problem["type"] != "extra_forbidden":
        return f"{problem['msg'].removeprefix('Value error, ')}."
    known = sorted(kind.model_fields)
    close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
    return "not known; " + (f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}.")
