"""What a look at the hub means: a standing for each connector, the normalisers and the views, worst first."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from hub.control import ConnectorState
from hub.flow import UNASSIGNED, Status
from hub.overview import Overview, Rates, Stage

UNKNOWN = "UNKNOWN"
"""What would tell of it does not answer."""

HELD = "HELD"
"""A removal waits until a person accepts it."""


UNHEARD = "UNHEARD"
"""A connector is said to run, but nothing was heard of it for a while."""

UNHEARD_AFTER_SECONDS = 15
"""Three beats: a connector that runs writes every five seconds, and while it reads every second."""

TRYING_UNHEARD_AFTER_SECONDS = 45
"""One that tries again after an error may pause for half a minute before it can write."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one part is. Times are in microseconds UTC; None is for what is not known or does not apply.

    `read_to` is the source time up to which a connector has published every change, `visible_to`
    that up to which the view shows it. `waiting` are records before the normalisers (of a
    connector: its own) or the views. `since` is when it came to be so, or was last heard of where it
    is UNHEARD or UNASSIGNED. `configured` is whether these settings say where its source is.
    """

    name: str
    state: str
    members: Sequence[str] = ()
    read_to: int | None = None
    visible_to: int | None = None
    rate: float | None = None
    waiting: int | None = None
    error: str = ""
    since: int | None = None
    stale: bool = False
    configured: bool = True
    status: Status | None = None


def standings(
    look: Overview, rate: Rates, located: AbstractSet[tuple[str, str]], stale_after_seconds: float
) -> list[Standing]:
    """The standing of each part, the worst first; `located` are the feeds whose source is configured."""
    found = [_connector(status, look, rate, located, stale_after_seconds) for status in look.connectors]
    if "connectors" in look.errors:
        found.append(Standing("connectors", UNKNOWN, error=look.errors["connectors"]))
    found.append(_stage("normalisers", look.normalisers, rate.normalisers, look.errors))
    found.append(_stage("view", look.view, rate.view, look.errors))
    return sorted(found, key=_badness)


def troubles(standing: Standing) -> list[str]:
    """What of it needs a person, in words; nothing where all is as it should be.

    A connector that operators paused or stopped is as it should be, stale or not; so is one
    that never ran and has no source here.
    """
    found = []
    if standing.state in {ConnectorState.FAILED, HELD, UNHEARD, UNKNOWN}:
        found.append(standing.state)
    elif standing.state == UNASSIGNED and standing.configured:
        found.append("nobody runs it")
    if standing.stale and standing.configured and not _rests(standing):
        found.append("stale")
    if standing.error and not found:
        found.append("in trouble")
    return found


def _connector(
    status: Status, look: Overview, rate: Rates, located: AbstractSet[tuple[str, str]], stale_after: float
) -> Standing:
    feed = (status.feed.force, status.feed.domain)
    visible_to = look.visible_to.get(feed)
    age = None if visible_to is None else abs(look.at - visible_to) / 1_000_000
    state = HELD if status.held is not None else UNHEARD if _is_unheard(status, look.at) else status.state
    return Standing(
        status.name,
        state,
        [status.worker] if status.worker else [],
        status.complete_to,
        visible_to,
        rate.connectors.get(status.name),
        None if look.normalisers is None else look.normalisers.waiting.get(status.feed.topic, 0),
        status.error,
        status.heard_at if state in {UNHEARD, UNASSIGNED} else status.since,
        stale="freshness" not in look.errors and (age is None or age > stale_after),
        configured=feed in located or status.since is not None,
        status=status,
    )


def _is_unheard(status: Status, at: int) -> bool:
    patience = TRYING_UNHEARD_AFTER_SECONDS if status.error else UNHEARD_AFTER_SECONDS
    lives = status.state in {ConnectorState.RUNNING, ConnectorState.PAUSED}
    return lives and status.heard_at is not None and at - status.heard_at > patience * 1_000_000


def _stage(name: str, stage: Stage | None, rate: float | None, errors: Mapping[str, str]) -> Standing:
    if stage is None:
        return Standing(name, UNKNOWN, error=errors.get(name, ""))
    state = ConnectorState.RUNNING if stage.members else UNASSIGNED
    error = " ".join(each.said for each in stage.errors)
    since = min((each.at for each in stage.errors), default=None)
    return Standing(name, state, stage.members, rate=rate, waiting=stage.lag, error=error, since=since)


def _rests(standing: Standing) -> bool:
    """Whether operators asked it to rest, and it does."""
    return standing.status is not None and standing.state in {ConnectorState.PAUSED, ConnectorState.STOPPED}


_ORDER = (UNKNOWN, ConnectorState.FAILED, HELD, UNASSIGNED, UNHEARD)


def _badness(standing: Standing) -> tuple[bool, int, bool, str]:
    place = _ORDER.index(standing.state) if standing.state in _ORDER else len(_ORDER)
    return not troubles(standing), place, not standing.stale, standing.name


def worst_words(found: Iterable[Standing]) -> str:
    """A headline: how many parts need a person, and why."""
    counted: dict[str, int] = {}
    for standing in found:
        for word in troubles(standing):
            counted[word] = counted.get(word, 0) + 1
    return ", ".join(f"{n} {word}" for word, n in counted.items()) or "all is well"
