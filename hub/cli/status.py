"""`alliance-hub status`: connectors, normalisers and view on one page, the worst first."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live

from hub.bus.contract import Bus
from hub.cli.options import takes_settings
from hub.cli.parts import Parts
from hub.cli.status_lines import as_dict, report
from hub.config import Settings
from hub.flow import Flow
from hub.overview import Observer, Overview, Rates, rates
from hub.presence import bus_file, refuse_absent, store_file
from hub.standing import Standing, standings, troubles

if TYPE_CHECKING:
    from hub.view.store import Store

_WIDE = 160
"""Columns for who is no terminal: a file, a pipe, a mail."""


@takes_settings
def status(
    settings: Settings,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON; with --watch one look a line.")] = False,
    over: Annotated[
        float, typer.Option(min=0, max=60, help="Seconds over which rates are taken, and between looks.")
    ] = 2,
) -> None:
    """Show every connector, the normalisers and the view: state, position, freshness, rate, lag, last error.

    Reads the bus and the store, whichever processes run, and changes nothing. Exits with 1 where
    something needs a person: it failed, is held, unheard, run by nobody, stale or in trouble, or does
    not answer.
    """
    parts = Parts(settings)
    with closing(parts):
        looks = _looks(parts, over, once=not watch)
        last = _tell_json(looks, indent=None if watch else 2) if as_json else _tell(looks, live=watch)
    raise typer.Exit(1 if any(troubles(standing) for standing in last) else 0)


Look = tuple[Overview, Rates, list[Standing]]


def _looks(parts: Parts, over: float, *, once: bool) -> Iterator[Look]:
    """Looks at the hub, each with the rates since the one before; the first has none where more follow."""
    observer = _observer(parts)
    settings = parts.settings
    located = {(force, domain) for force, domains in settings.sources.items() for domain in domains}

    def made(before: Overview | None) -> Look:
        now = observer.look()
        rate = rates(before, now)
        return now, rate, standings(now, rate, located, settings.stale_after_seconds)

    first = made(None)
    if once and not over:
        yield first
        return
    if not once:
        yield first
    before = first[0]
    while True:
        time.sleep(over)
        look = made(before)
        yield look
        if once:
            return
        before = look[0]


def _observer(parts: Parts) -> Observer:
    settings = parts.settings

    def bus() -> Bus:
        refuse_absent(bus_file(settings.bus_url), "bus")
        return parts.bus

    def flow() -> Flow:
        bus()
        return parts.flow

    def store() -> "Store":
        refuse_absent(store_file(settings.store_url), "store")
        return parts.store

    return Observer(parts.feeds(), bus, flow, store)


def _tell(looks: Iterator[Look], *, live: bool) -> list[Standing]:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDE)
    if live and console.is_terminal:
        with Live(console=console, auto_refresh=False, vertical_overflow="visible") as page:
            return _until_interrupted(looks, lambda look: page.update(_page(look), refresh=True))
    return _until_interrupted(looks, lambda look: console.print(_page(look)))


def _page(look: Look) -> Group:
    return report(look[0].at, look[2])


def _tell_json(looks: Iterator[Look], indent: int | None) -> list[Standing]:
    def told(look: Look) -> None:
        described: dict[str, Any] = as_dict(look[0], look[2])
        typer.echo(json.dumps(described, indent=indent))

    return _until_interrupted(looks, told)


def _until_interrupted(looks: Iterator[Look], tell: Callable[[Look], object]) -> list[Standing]:
    """Tell of each look; Ctrl-C ends it, and the last one decides."""
    last: list[Standing] = []
    try:
        for look in looks:
            last = look[2]
            tell(look)
    except KeyboardInterrupt:
        return last
    return last
