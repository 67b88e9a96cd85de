"""The options that say which dead letters are meant, the same for every command of `dlq`."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.dead_letters.cases import State
from hub.dead_letters.search import Search, read_instant, read_states
from hub.errors import BadQueryError

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "ids": (
        Annotated[list[str] | None, typer.Argument(help="Ids of letters; or say which with options.")],
        None,
    ),
    "force": (Annotated[list[str], typer.Option(help="Force; repeat for several.")], []),
    "domain": (Annotated[list[str], typer.Option(help="Domain; repeat for several.")], []),
    "stage": (Annotated[list[str], typer.Option(help="read, normalise or view.")], []),
    "status": (
        Annotated[list[str], typer.Option(help="open, edited, …, or all; those that wait unless given.")],
        [],
    ),
    "error": (Annotated[str, typer.Option(help="Part of the error's name or reason.")], ""),
    "since": (Annotated[str, typer.Option(help="Set aside at or after this RFC 3339 instant.")], ""),
    "until": (Annotated[str, typer.Option(help="Set aside at or before this RFC 3339 instant.")], ""),
    "key": (Annotated[str, typer.Option(help="Incident number, staff number or other business key.")], ""),
}


def takes_search(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options; it is called with `settings` first and the `Search` second."""

    @functools.wraps(command)
    def run(settings: Any, **given: Any) -> None:
        asked = {name: given.pop(name) for name in _OPTIONS}
        _refuse_state_for_status(settings.state)
        command(settings, make_search(**asked), **given)

    first, _, *own = inspect.signature(command).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter(name, keyword, default=default, annotation=kind)
        for name, (kind, default) in _OPTIONS.items()
    ]
    parameters = [first, *(each.replace(kind=keyword) for each in own), *added]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _refuse_state_for_status(folder: Path) -> None:
    """`--state` is every command's folder, while over HTTP `state` says which letters are meant."""
    word = folder.name
    if word in {"all", *State} and not folder.exists():
        raise BadQueryError(
            f"--state names the hub's folder, and there is none at {folder}; say --status {word}."
        )


def make_search(**asked: Any) -> Search:
    """Make a search of what was asked for; `BadQueryError` names what was not understood."""
    return Search(
        ids=tuple(asked["ids"] or ()),
        forces=tuple(asked["force"]),
        domains=tuple(asked["domain"]),
        stages=tuple(asked["stage"]),
        states=read_states(asked["status"]),
        error=asked["error"],
        since=read_instant("since", asked["since"]),
        until=read_instant("until", asked["until"]),
        key=asked["key"],
    )
