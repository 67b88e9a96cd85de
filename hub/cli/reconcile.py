"""`alliance-hub reconcile`: each source system beside the view, and what is missing, extra or old."""

import json
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from connectors.sources import open_source
from hub.cli.acting import Reason, Token, audited, who
from hub.cli.durations import read_duration
from hub.cli.options import takes_settings
from hub.cli.parts import Parts
from hub.cli.process import Process
from hub.cli.reconciler import STAGE, Reconciler, Step
from hub.config import Settings, SourceSettings
from hub.errors import ConfigurationError
from hub.forces import Feed

if TYPE_CHECKING:
    from connectors.looks import Result


@takes_settings
def reconcile(
    settings: Settings,
    force: Annotated[str | None, typer.Argument()] = None,
    domain: Annotated[str | None, typer.Argument()] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, every difference named.")] = False,
    day: Annotated[str | None, typer.Option(help="Tell of records of this day alone (YYYY-MM-DD).")] = None,
    fields: Annotated[bool, typer.Option("--fields", help="Name the fields that differ.")] = False,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Show what they say; kept in the audit log.")
    ] = False,
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Logs still hold all they ever said: what is not in one is extra."),
    ] = False,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds the view may take to show what the source says.")
    ] = 60,
    every: Annotated[
        str | None,
        typer.Option(help="Do it again so often (10m, 1h) until stopped, and tell the counts at /metrics."),
    ] = None,
    reason: Reason = "",
    token: Token = None,
) -> None:
    """Read every source a second time and compare it with the view; exit with 1 where they differ.

    The sources are only read, while the hub goes on or stands still. Counts are by the record's
    own day. A row that became a dead letter is named as such, and is no difference.
    """
    from hub.cli.differences import as_dict, lines  # brings the national grid

    if every is not None:
        if as_json or day or fields or show_values:
            raise ConfigurationError("--every tells counts alone, at /metrics: leave out what shows more.")
        _again_and_again(settings, force, domain, patience, whole=whole, every_seconds=read_duration(every))
    parts = Parts(settings)
    feeds = _located(parts, force, domain)
    if show_values:
        principal = who(parts, token)
        for feed in feeds:
            audited(parts, principal, feed, "reconcile with values", reason)
    results = []
    for feed in feeds:
        results.append(_result(parts, feed, patience, whole=whole))
        if not as_json:
            for line in lines(results[-1], day, fields=fields or show_values, values=show_values):
                typer.echo(line)
    parts.close()
    if as_json:
        typer.echo(json.dumps([as_dict(each, day, values=show_values) for each in results], indent=2))
    raise typer.Exit(1 if any(each.differences for each in results) else 0)


def _again_and_again(
    settings: Settings,
    force: str | None,
    domain: str | None,
    patience: float,
    *,
    whole: bool,
    every_seconds: float,
) -> NoReturn:
    process = Process(settings)
    parts = process.parts
    feeds = _located(parts, force, domain)

    def compare(feed: Feed, step: Step) -> "Result":
        return _result(parts, feed, patience, whole=whole, step=step)

    process.heed_signals()
    reconciler = Reconciler(feeds, compare, parts.metrics, every_seconds=every_seconds)
    process.start({STAGE: reconciler}, port=0)
    raise typer.Exit(process.wait())


def _located(parts: Parts, force: str | None, domain: str | None) -> list[Feed]:
    """The feeds asked for whose systems the settings name; one asked for by its name must be."""
    sources = parts.settings.sources
    feeds = [feed for feed in parts.feeds(force, domain) if feed.domain in sources.get(feed.force, {})]
    if not feeds:
        raise ConfigurationError(
            f"No location is set for {force or '*'}/{domain or '*'}, so there is nothing to compare with. "
            'Set it in the configuration file: [sources.FORCE.DOMAIN], location = "…"'
        )
    return feeds


def _result(parts: Parts, feed: Feed, patience: float, *, whole: bool, step: Step = lambda: None) -> "Result":
    from connectors.looks import Looker
    from connectors.reconciliation import Reconciliation
    from connectors.second_reading import SecondReading
    from hub.cli.stepping import SteppedQuery, SteppedSource
    from hub.normalise.boundary import load_boundary
    from hub.normalise.mapping import compile_mapping

    where: SourceSettings = parts.settings.sources[feed.force][feed.domain]
    boundary = parts.settings.boundary
    mapper = compile_mapping(feed, boundary=load_boundary(boundary, parts.forces) if boundary else None)
    source = SteppedSource(open_source(feed, where.location, where.secret()), step)
    with closing(SecondReading(feed, source, parts.codec, patience=patience)) as reading:
        looker, query = Looker(mapper, parts.codec), SteppedQuery(parts.store, parts.codec, step)
        return Reconciliation(reading, looker, query, whole=whole).run(patience)
