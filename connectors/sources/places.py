"""Positions in each kind of source's own terms: said to operators, and set back by them."""

from collections.abc import Mapping
from typing import Any

from connectors.source import Position
from connectors.sources.files_settings import files_settings
from connectors.sources.ledger import left_unread
from connectors.sources.sql_rows import parse_time
from connectors.sources.sql_settings import sql_settings
from hub.errors import ConfigurationError
from hub.forces import Feed

_DONE = "done/"


def in_words(feed: Feed, position: Position) -> list[str]:
    """Where reading goes on, one thing a line."""
    match feed.source.get("kind"):
        case "sql" if sql_settings(feed)[0].snapshot:
            return ["reads everything each time, and compares"]
        case "sql":
            mark = position.get("watermark")
            column = feed.source["watermark"]["column"]
            return ["from the beginning"] if mark is None else [f"watermark {column} {mark}"]
        case "files":
            return _files(position)
        case _:
            return _feed(position)


def set_back(feed: Feed, position: Position, to: str | None) -> Position:
    """The position from which all is read again, or all from `to` on, in the source's own terms.

    `to` is a watermark, a file's name, a feed's token. `ConfigurationError` where it is none.
    """
    match feed.source.get("kind"):
        case "sql":
            return _set_back_sql(feed, to)
        case "files" if files_settings(feed)[0].mode == "snapshot":
            return _set_back_snapshot(feed, position, to)
        case "files":
            return _set_back_files(feed, position, to)
        case _:
            return {} if to is None else {"page": {"token": to}}


def _files(position: Position) -> list[str]:
    said = []
    if current := position.get("current", position.get("~current")):
        said.append(f"file {current['name']}, line {current['line']}")
    unread = left_unread(position)
    done = sum(name.startswith(_DONE) for name in position) - len(unread)
    if last := position.get("last"):
        said.append(f"{done} files read to their end, the last of them {last['name']}")
    if unread:
        said.append(f"left unread, each with the bytes of another: {', '.join(unread)}")
    return said or ["from the beginning"]


def _feed(position: Position) -> list[str]:
    page: Mapping[str, Any] = position.get("page", {})
    if page.get("expired"):
        return ["from the beginning, listing everything"]
    return [f"token {page['token']}"] if page.get("token") else ["from the beginning"]


def _set_back_sql(feed: Feed, to: str | None) -> Position:
    settings, columns = sql_settings(feed)
    if to is None:
        return {}
    mark = settings.watermark
    if mark is None:
        raise ConfigurationError(
            f"{feed} reads everything each time; there is no place to go back to. Leave out --to."
        )
    if next(column.kind for column in columns if column.name == mark.column) == "long":
        if not to.lstrip("-").isdecimal():
            raise ConfigurationError(f"{feed}: watermark {mark.column} is a whole number, not '{to}'.")
        return {"watermark": int(to)}
    if parse_time(to) is None:
        raise ConfigurationError(
            f"{feed}: watermark {mark.column} is a time as YYYY-MM-DD HH:MM:SS, not '{to}'."
        )
    return {"watermark": to}


def _set_back_files(feed: Feed, position: Position, to: str | None) -> Position:
    """Forget every file from `to` on."""
    if to is None:
        return {}
    _known(feed, position, to)
    return _without(position, lambda name: name >= to)


def _set_back_snapshot(feed: Feed, position: Position, to: str | None) -> Position:
    """Forget the newest file alone: it says everything, and an older one would undo what is newer."""
    last = position.get("last", {}).get("name")
    if to not in {None, last}:
        raise ConfigurationError(
            f"{feed}: each file says everything, so the newest alone can be read again: "
            f"{'none was read' if last is None else last}."
        )
    return _without(position, lambda name: name == last)


def _known(feed: Feed, position: Position, to: str) -> None:
    names = {entry["name"] for name, entry in position.items() if name.startswith(_DONE)}
    if current := position.get("current"):
        names.add(current["name"])
    if to not in names:
        raise ConfigurationError(f"{feed}: no file '{to}' was read; see `alliance-hub positions show`.")


def _without(position: Position, forgotten: Any) -> Position:
    kept = {
        name: entry
        for name, entry in position.items()
        if name.startswith(_DONE) and not forgotten(entry["name"])
    }
    if not kept:
        return {}
    name, last = max(kept.items(), key=lambda item: str(item[1]["name"]))
    return {**kept, "last": {"name": last["name"], "sha256": name.split("/")[1], "unclear": 0}}
