"""How the standings of the hub are shown: a table and the errors below it, or JSON."""

import textwrap
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from connectors.sources.places import in_words
from hub.backfill import OVER, progress_in_words
from hub.control import ConnectorState
from hub.errors import HubError
from hub.events import iso_micros
from hub.flow import UNASSIGNED
from hub.overview import Overview
from hub.standing import UNHEARD, Standing, troubles, worst_words

_STYLES = {"stale": "yellow", "in trouble": "yellow"}
_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_WHERE_LETTERS = 90
"""How much of a position the table shows; `positions show` has all of it."""


def report(at: int, found: Sequence[Standing]) -> Group:
    """The headline, a table with the worst first, and what each part in trouble says in full."""
    table = Table("part", "state", "read to", "visible to", "rate/s", "waiting", "position", box=SIMPLE_HEAD)
    for column in table.columns[2:6]:
        column.justify = "right"
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    for standing in found:
        table.add_row(*_cells(at, standing), style=_style(standing))
    said = [Text(line, style=_style(standing)) for standing in found for line in _said(standing)]
    return Group(Text(f"{iso_micros(at)[:19]}Z  {worst_words(found)}", style="bold"), table, *said)


def as_dict(look: Overview, found: Sequence[Standing]) -> dict[str, Any]:
    """The same for a program: `connectors`, `normalisers` and `view`, each with its `troubles`."""
    stages = {standing.name: standing for standing in found if standing.status is None}
    return {
        "at": iso_micros(look.at),
        "well": not any(troubles(standing) for standing in found),
        "connectors": [_connector(look.at, standing) for standing in found if standing.status is not None],
        **{name: _stage(stages[name]) for name in ("normalisers", "view")},
        "errors": dict(look.errors),
    }


def _connector(at: int, standing: Standing) -> dict[str, Any]:
    status = standing.status
    assert status is not None
    return {
        "name": standing.name,
        "state": standing.state,
        "asked": status.asked,
        "since": _time(standing.since),
        "heard_at": _time(status.heard_at),
        "worker": status.worker,
        "configured": standing.configured,
        "position": status.position,
        "complete_to": _time(standing.read_to),
        "complete_to_age_seconds": _seconds(at, standing.read_to),
        "visible_to": _time(standing.visible_to),
        "visible_to_age_seconds": _seconds(at, standing.visible_to),
        "stale": standing.stale,
        "rate": standing.rate,
        "lag": standing.waiting,
        "error": standing.error,
        "held": status.held,
        "backfill": status.progress,
        "troubles": troubles(standing),
    }


def _stage(standing: Standing) -> dict[str, Any]:
    return {
        "state": standing.state,
        "members": list(standing.members),
        "rate": standing.rate,
        "lag": standing.waiting,
        "error": standing.error,
        "error_at": _time(standing.since),
        "troubles": troubles(standing),
    }


def _cells(at: int, standing: Standing) -> list[str]:
    aged = ["", ""]
    if standing.status is not None:
        aged = [_age(at, standing.read_to), _age(at, standing.visible_to)]
    rate = "" if standing.rate is None else f"{standing.rate:,.1f}"
    waiting = "" if standing.waiting is None else f"{standing.waiting:,}"
    return [standing.name, _state(standing), *aged, rate, waiting, _where(standing)]


def _state(standing: Standing) -> str:
    words = [standing.state, *(word for word in troubles(standing) if word == "stale")]
    status = standing.status
    if status is not None and standing.state in set(ConnectorState) and status.asked != standing.state:
        words.append(f"asked {status.asked}")
    return ", ".join(words)


def _where(standing: Standing) -> str:
    if standing.status is None:
        return "; ".join(standing.members)
    if not standing.configured:
        return "no location in these settings, and never run"
    try:
        where = "; ".join(in_words(standing.status.feed, standing.status.position))
    except HubError as error:
        where = str(error)
    return textwrap.shorten(where, _WHERE_LETTERS, placeholder=" …")


def _said(standing: Standing) -> list[str]:
    """What a part in trouble says, in full: a table would cut it; and how far a backfill is."""
    said = []
    if standing.status is not None and standing.status.held is not None:
        said.append("a removal waits until a person accepts it; see `alliance-hub removals show`.")
    if standing.status is not None and standing.since and standing.state in {UNHEARD, UNASSIGNED}:
        said.append("nothing was heard of it since; see whether its process runs, and what its log says.")
    if standing.error:
        said.append(standing.error)
    word = "at" if standing.status is None else "since"
    when = f" {word} {iso_micros(standing.since)[:19]}Z" if standing.since and said else ""
    lines = [f"{standing.name}: {standing.state}{when}: {line}" for line in said]
    progress = None if standing.status is None else standing.status.progress
    if progress is not None and progress["phase"] not in OVER:
        lines.append(f"{standing.name}: {progress_in_words(progress)}")
    return lines


def _style(standing: Standing) -> str:
    found = troubles(standing)
    return _STYLES.get(found[0], "red") if found else ""


def _age(at: int, time: int | None) -> str:
    """How long ago, in the largest unit that fits; a time ahead of this clock says so."""
    seconds = _seconds(at, time)
    if seconds is None:
        return "never"
    ahead, seconds = ("-" if seconds < -1 else ""), abs(seconds)
    for size, unit in _STEPS:
        if seconds >= size * 2:
            return f"{ahead}{seconds / size:.0f} {unit}"
    return f"{ahead}{seconds:.0f} s"


def _seconds(at: int, time: int | None) -> float | None:
    return None if time is None else (at - time) / 1_000_000


def _time(micros: int | None) -> str | None:
    return None if micros is None else iso_micros(micros)
