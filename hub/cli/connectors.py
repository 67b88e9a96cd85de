"""`alliance-hub connectors list | pause | resume | stop | restart`: how they are, and orders to them."""

import json
from typing import Annotated

import typer

from hub.cli.acting import Reason, Token, audited, who
from hub.cli.options import takes_settings
from hub.cli.parts import Parts
from hub.config import Settings
from hub.errors import BadQueryError, ConfigurationError
from hub.events import iso_micros
from hub.flow import Status, worst

Domain = Annotated[str | None, typer.Argument(help="One domain; all of the force's unless given.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]

connectors_app = typer.Typer(
    help="See how the connectors are; pause, resume, stop and restart them.", no_args_is_help=True
)


@connectors_app.command("list")
@takes_settings
def list_(
    settings: Settings,
    force: Annotated[str | None, typer.Argument()] = None,
    as_json: Json = False,
) -> None:
    """Show what every connector does, and what was asked of it where that differs."""
    from hub.serve import connect_shapes as shapes

    parts = Parts(settings)
    statuses = parts.flow.statuses(parts.feeds(force))
    if as_json:
        typer.echo(json.dumps([shapes.status(of) | shapes.standing(of) for of in statuses], indent=2))
    else:
        for line in lines(statuses):
            typer.echo(line)
    parts.close()


@connectors_app.command("pause")
@takes_settings
def pause(
    settings: Settings, force: str, domain: Domain = None, reason: Reason = "", token: Token = None
) -> None:
    """Have connectors read nothing for now; they keep everything open."""
    _ask(settings, "pause", force, domain, reason, token)


@connectors_app.command("resume")
@takes_settings
def resume(
    settings: Settings, force: str, domain: Domain = None, reason: Reason = "", token: Token = None
) -> None:
    """Have paused or stopped connectors go on where they were."""
    _ask(settings, "resume", force, domain, reason, token)


@connectors_app.command("stop")
@takes_settings
def stop(
    settings: Settings, force: str, domain: Domain = None, reason: Reason = "", token: Token = None
) -> None:
    """Have connectors let go of their sources; their positions may then be reset."""
    _ask(settings, "stop", force, domain, reason, token)


@connectors_app.command("restart")
@takes_settings
def restart(
    settings: Settings, force: str, domain: Domain = None, reason: Reason = "", token: Token = None
) -> None:
    """Start connectors anew; a failed one at once, without waiting for its next try."""
    _ask(settings, "restart", force, domain, reason, token)


def lines(statuses: list[Status]) -> list[str]:
    """A summary of each force by its worst connector, and below it each connector."""
    said = []
    for force in dict.fromkeys(status.feed.force for status in statuses):
        own = [status for status in statuses if status.feed.force == force]
        said.append(f"{force}: {worst(status.state for status in own)}")
        said += [f"  {line}" for status in own for line in _of(status)]
    return said


def _of(status: Status) -> list[str]:
    since = f" since {iso_micros(status.since)}" if status.since else ""
    asked = f", asked to be {status.asked}" if status.asked != status.state else ""
    first = f"{status.feed.domain}: {status.state}{since}{asked}"
    return [first, f"  {status.error}"] if status.error else [first]


def _ask(
    settings: Settings, verb: str, force: str, domain: str | None, reason: str, token: str | None
) -> None:
    parts = Parts(settings)
    try:
        principal = who(parts, token)
        for feed in parts.feeds(force, domain):
            audited(parts, principal, feed, f"{verb} connector", reason)
            try:
                parts.flow.ask(feed, verb, by=principal.name, reason=reason)
            except BadQueryError as error:
                raise ConfigurationError(str(error)) from error
            typer.echo(f"{feed}: asked to {verb}")
    finally:
        parts.close()
