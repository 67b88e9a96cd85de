"""`alliance-hub removals show | accept`: look at a mass deletion that is held, and accept it."""

from typing import Annotated

import typer

from connectors.removals import accept_removals, show_removals
from hub.cli.acting import Reason, Token, audited, who
from hub.cli.options import takes_settings
from hub.cli.parts import Parts
from hub.config import Settings

removals_app = typer.Typer(
    help="Look at mass deletions that are held, and accept them.", no_args_is_help=True
)


@removals_app.command("show")
@takes_settings
def show(settings: Settings, force: Annotated[str | None, typer.Argument()] = None) -> None:
    """Name every feed that is held, with how much it would remove."""
    parts = Parts(settings)
    for feed in parts.feeds(force):
        if held := show_removals(parts.bus, parts.codec, feed):
            typer.echo(f"{feed}: {held.removals} of {held.live} live records would be removed")
    parts.close()


@removals_app.command("accept")
@takes_settings
def accept(
    settings: Settings,
    force: str,
    domain: str,
    count: Annotated[int, typer.Option(min=1)],
    reason: Reason = "",
    token: Token = None,
) -> None:
    """Accept exactly COUNT removals; the held connector goes on by itself."""
    parts = Parts(settings)
    (feed,) = parts.feeds(force, domain)
    audited(parts, who(parts, token), feed, f"accept {count} removals", reason)
    held = accept_removals(parts.bus, parts.codec, feed, count)
    typer.echo(f"{feed}: accepted the removal of {held.removals} of {held.live} live records")
    parts.close()
