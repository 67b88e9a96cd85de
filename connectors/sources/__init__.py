"""The kinds of source, each a line below: a new kind is a class with `read`, `count` and `close`."""

from collections.abc import Callable

from connectors.source import Source
from hub.errors import ConfigurationError, HubError
from hub.forces import Feed

Open = Callable[[Feed, str, str | None], Source]
Check = Callable[[Feed], object]


def open_source(feed: Feed, location: str, secret: str | None) -> Source:
    """Make the source of a feed at `location`: a database URL, a folder or sftp:// URL, an http(s):// URL.

    Nothing is connected yet. Raises `ConfigurationError` with every problem of `[source]`.
    """
    return _kind(feed)[0](feed, location, secret)


def check_source(feed: Feed) -> list[str]:
    """Every problem of the `[source]` table of a feed; none where it is right."""
    try:
        _kind(feed)[1](feed)
    except HubError as error:
        return str(error).splitlines()
    return []


def _kind(feed: Feed) -> tuple[Open, Check]:
    match feed.source.get("kind"):
        case "sql":
            from connectors.sources.sql import SqlSource
            from connectors.sources.sql_settings import sql_settings

            return SqlSource, sql_settings
        case "files":
            from connectors.sources.files import FilesSource
            from connectors.sources.files_settings import files_settings

            return FilesSource, files_settings
        case "feed":
            from connectors.sources.feed import FeedSource
            from connectors.sources.feed_settings import feed_settings

            return FeedSource, feed_settings
        case other:
            raise ConfigurationError(
                f"{feed.file}: 'source.kind' is '{other}'; it must be 'sql', 'files' or 'feed'."
            )
