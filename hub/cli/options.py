"""The options that every command takes, and the one place where its errors become exit codes."""

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hub import logs
from hub.config import Settings, load_settings
from hub.errors import HubError

_OPTIONS: dict[str, Any] = {
    "config": Annotated[Path | None, typer.Option(help="TOML file with the settings.", envvar="HUB_CONFIG")],
    "state": Annotated[Path | None, typer.Option(help="Folder for what the embedded defaults keep.")],
    "bus": Annotated[str | None, typer.Option(help="embedded:///path or kafka://host:9092,…")],
    "store": Annotated[str | None, typer.Option(help="sqlite:///path or postgresql://…")],
    "port": Annotated[int | None, typer.Option(min=0, max=65535, help="HTTP port; 0 takes a free one.")],
}


def takes_settings(
    command: Callable[..., None], *, refused: Callable[[HubError, Mapping[str, Any]], None] | None = None
) -> Callable[..., None]:
    """Give a command the common options; it is called with `settings` first.

    A `HubError` is printed and becomes the exit code its class states. `refused` is called first
    where the settings cannot be read, with the command's own options.
    """

    @functools.wraps(command)
    def run(**given: Any) -> None:
        common = {name: given.pop(name) for name in _OPTIONS}
        try:
            settings = _settings(common, given, refused)
            logs.configure(settings.log_format)
            command(settings, **given)
        except HubError as error:
            typer.echo(f"alliance-hub: {error}", err=True)
            raise typer.Exit(error.exit_code) from error

    own = list(inspect.signature(command).parameters.values())[1:]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in _OPTIONS.items()
    ]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + common
    )
    run.__annotations__ = {p.name: p.annotation for p in run.__signature__.parameters.values()}  # type: ignore[attr-defined]
    return run


def _settings(
    common: dict[str, Any],
    given: Mapping[str, Any],
    refused: Callable[[HubError, Mapping[str, Any]], None] | None,
) -> Settings:
    try:
        return load_settings(common.pop("config"), **common)
    except HubError as error:
        if refused is not None:
            refused(error, given)
        raise
