"""`alliance-hub positions show | reset | backfill`: where each source is read, and reading it again."""

import datetime as dt
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.reset import plan, refuse_running, reset
from connectors.sources.places import in_words
from hub.backfill import ROWS_A_SECOND, Backfill, progress_in_words, read_backfill
from hub.cli.acting import Reason, Token, audited, who
from hub.cli.options import takes_settings
from hub.cli.parts import Parts
from hub.config import Settings
from hub.errors import BadQueryError, ConfigurationError
from hub.events import iso_micros
from hub.flow import Status

positions_app = typer.Typer(
    help="See where each source is read; reset that, or read records again.", no_args_is_help=True
)


@positions_app.command("show")
@takes_settings
def show(
    settings: Settings,
    force: Annotated[str | None, typer.Argument()] = None,
    domain: Annotated[str | None, typer.Argument()] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show every source's position in its own terms, what it is complete to, and what was counted."""
    parts = Parts(settings)
    statuses = parts.flow.statuses(parts.feeds(force, domain))
    if as_json:
        typer.echo(json.dumps([_described(status) for status in statuses], indent=2))
    else:
        for line in (line for status in statuses for line in _lines(status)):
            typer.echo(line)
    parts.close()


@positions_app.command("reset")
@takes_settings
def reset_position(
    settings: Settings,
    force: str,
    domain: str,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")],
    to: Annotated[
        str | None, typer.Option(help="A watermark, a file's name, a token; the beginning unless given.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    token: Token = None,
) -> None:
    """Have a source read again, while its connector is stopped. Unchanged rows are not published again."""
    parts = Parts(settings)
    (feed,) = parts.feeds(force, domain)
    status = parts.flow.status(feed)
    planned = plan(feed, status.position, to)
    if not dry_run:
        refuse_running(status)
        audited(parts, who(parts, token), feed, "reset position", reason)
        planned = reset(feed, parts.bus, parts.codec, to)
    would = "would be " if dry_run else ""
    typer.echo(f"{feed}: {len(planned.forgotten)} entries {would}forgotten: {'; '.join(planned.before)}")
    typer.echo(f"{feed}: {would or 'is '}read again {'; '.join(planned.after)}")
    parts.close()


@positions_app.command("backfill")
@takes_settings
def backfill(
    settings: Settings,
    force: str,
    domain: str,
    since: Annotated[
        str | None, typer.Option("--from", help="Changed or created at or after: an instant.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Changed or created before: an instant.")] = None,
    keys: Annotated[str | None, typer.Option(help="Keys or record ids, separated by commas.")] = None,
    keys_file: Annotated[Path | None, typer.Option(help="A file with a key or record id a line.")] = None,
    rate: Annotated[str, typer.Option(help="Rows a second, such as 200/s.")] = f"{ROWS_A_SECOND:g}/s",
    cancel: Annotated[bool, typer.Option("--cancel", help="End the one under way where it is.")] = False,
    reason: Reason = "",
    token: Token = None,
) -> None:
    """Have records read again and published where they were missed, beside the live reading."""
    parts = Parts(settings)
    (feed,) = parts.feeds(force, domain)
    try:
        principal = who(parts, token)
        if cancel:
            audited(parts, principal, feed, "cancel backfill", reason)
            parts.flow.cancel(feed)
            typer.echo(f"{feed}: asked to end its backfill")
            return
        asked = _asked(since, until, keys, keys_file, rate)
        audited(parts, principal, feed, "backfill", reason)
        parts.flow.backfill(feed, asked, by=principal.name, reason=reason)
        typer.echo(f"{feed}: backfill {asked.id} of {asked.in_words()} is asked for; see `positions show`")
    except BadQueryError as error:
        raise ConfigurationError(str(error)) from error
    finally:
        parts.close()


def _asked(
    since: str | None, until: str | None, keys: str | None, keys_file: Path | None, rate: str
) -> Backfill:
    given: dict[str, Any] = {"rate": rate.removesuffix("/s")}
    named = [] if keys is None else keys.split(",")
    if keys_file is not None:
        try:
            named += keys_file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"--keys-file '{keys_file}' cannot be read: {error}.") from error
    given["keys"] = [key.strip() for key in named if key.strip()]
    for name, text in (("since", since), ("until", until)):
        if text is not None:
            given[name] = _instant(text)
    return read_backfill(given)


def _instant(text: str) -> dt.datetime:
    wrong = ConfigurationError(f"'{text}' is no instant; write it with its offset: 2016-11-05T14:30:00Z.")
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise wrong from None
    if at.tzinfo is None:
        raise wrong
    return at


def _described(status: Status) -> dict[str, Any]:
    return {
        "name": status.name,
        "state": status.state,
        "position": status.position,
        "complete_to": None if status.complete_to is None else iso_micros(status.complete_to),
        "counts": status.counts,
        "reading_again": status.again,
        "backfill": status.progress,
    }


def _lines(status: Status) -> list[str]:
    complete = "unknown" if status.complete_to is None else iso_micros(status.complete_to)
    counts = ", ".join(f"{name} {count}" for name, count in status.counts.items())
    said = [f"{status.feed}: {status.state}"]
    said += [f"  {line}" for line in in_words(status.feed, status.position)]
    said += [f"  complete to {complete}", f"  {counts or 'nothing counted'}"]
    if status.again:
        said.append("  is being read again after a reset")
    if status.progress is not None:
        said.append(f"  {progress_in_words(status.progress)}")
        if position := status.progress["position"]:
            said.append(f"    it has come to {'; '.join(in_words(status.feed, position))}")
    return said
