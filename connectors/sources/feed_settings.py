"""What `[source]` states for `kind = "feed"`."""

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field

from connectors.sources.columns import Column
from connectors.sources.stated import SourceTable, Stated, VersionNumber, columns, stated
from hub.errors import ConfigurationError
from hub.forces import Feed


class PageNames(Stated):
    """What a page calls its own facts: attributes of the root element, or paths with dots in JSON."""

    root: str = "Feed"
    next: str = "next"
    complete: str = "complete"
    as_of: str | None = "asOf"
    count: str = "count"


class Removal(Stated):
    """How a page tells a deletion: an element or list by this name, with these parts."""

    item: str
    key: tuple[str, ...] = Field(min_length=1)
    version: str | None = None


class FeedSettings(SourceTable):
    """How pages are asked for and what is in them.

    `lists` names, for each column that is a list, the elements in it (XML only).
    `start_lists_all` says that without a token the feed begins with everything it holds: what is
    not there after a token expired is then removed.
    """

    kind: Literal["feed"]
    format: Literal["xml", "json"] = "xml"
    page: PageNames = PageNames()
    item: str
    removal: Removal | None = None
    lists: Mapping[str, str] = Field(default_factory=dict)
    key: tuple[str, ...] = Field(min_length=1)
    version: Literal["observed"] | VersionNumber = "observed"
    changed: str | None = None
    params: Mapping[str, str] = Field(default_factory=dict)
    token_param: str = "token"  # noqa: S105 a name
    token_expired: tuple[int, ...] = (410, 400)
    count_param: str | None = None
    start_lists_all: bool = False
    secret_header: str = "Authorization"  # noqa: S105 a name
    secret_prefix: str = "Bearer "  # noqa: S105 a word
    timeout_seconds: float = Field(10, gt=0)
    page_seconds: float = Field(60, gt=0)
    max_page_bytes: int = Field(8 * 1024 * 1024, ge=1024)

    @property
    def version_column(self) -> str | None:
        return self.version.number if isinstance(self.version, VersionNumber) else None


def feed_settings(feed: Feed) -> tuple[FeedSettings, tuple[Column, ...]]:
    """Read and check a feed's `[source]`; ConfigurationError with one problem a line."""
    settings, asked = stated(feed, FeedSettings), columns(feed)
    if problems := list(_problems(feed, settings, asked)):
        raise ConfigurationError("\n".join(problems))
    return settings, asked


def _problems(feed: Feed, settings: FeedSettings, asked: Iterable[Column]) -> Iterable[str]:
    held = {column.name: column for column in asked}
    for key, names in (
        ("key", settings.key),
        ("version", (settings.version_column,)),
        ("changed", (settings.changed,)),
    ):
        for name in names:
            if name and name not in held:
                yield f"{feed.file}: 'source.{key}': '{name}' is no row field of {feed.schema}; add it there."
            elif name and held[name].kind not in {"string", "long"}:
                yield f"{feed.file}: 'source.{key}': '{name}' is {held[name].kind}; name a string or long."
    lists = {column.name for column in held.values() if column.kind == "list"}
    if settings.format == "json":
        lists = set()
    for name in sorted(lists - settings.lists.keys()):
        yield f"{feed.file}: 'source.lists': '{name}' is missing; say what its elements are called."
    for name in sorted(settings.lists.keys() - lists):
        yield f"{feed.file}: 'source.lists': '{name}' is no list in {feed.schema}; take it out."
