"""Every mark of the code at which a kill must do no harm, by the invariant it puts to the proof."""

from collections.abc import Iterable

STEPS = {
    "connect.fence": 1,
    "connect.load": 3,
    "connect.read": 1,
    "connect.events": 1,
    "connect.removals": 5,
    "connect.dead-letters": 6,
    "connect.overtaken": 4,
    "connect.replays": 3,
    "connect.position": 1,
    "connect.commit": 8,
    "normalise.join": 2,
    "normalise.events": 5,
    "normalise.dead-letter": 6,
    "normalise.offsets": 2,
    "normalise.commit": 8,
    "normalise.gap": 2,
    "view.join": 2,
    "view.seek": 2,
    "view.dead-letters": 6,
    "view.apply": 2,
    "view.freshness": 8,
    "view.report": 2,
    "store.offsets": 2,
    "store.records": 4,
    "store.commit": 8,
    "embedded.offsets": 2,
    "embedded.records": 2,
    "embedded.commit": 8,
    "kafka.flush": 8,
    "kafka.commit": 8,
}
"""A process is killed before and after each step: at the marks `<step>:before` and `<step>:after`."""

AT_THE_START = frozenset({"connect.fence", "connect.load", "normalise.join", "view.join", "view.seek"})
"""Passed once in a process's life."""

SELDOM = frozenset(
    {
        "connect.removals",
        "connect.dead-letters",
        "connect.overtaken",
        "connect.replays",
        "normalise.dead-letter",
        "normalise.gap",
        "view.dead-letters",
        "view.report",
    }
)
"""Passed every second or so: by the clock, or when the suite's own mischief comes by."""

_ONLY_ON = {"normalise.gap": "kafka"}
_ONLY_BY = dict.fromkeys(("connect.dead-letters", "connect.overtaken", "connect.replays"), "northamptonshire")
_ROOMS = {"connect": {"connect"}, "normalise": {"normalise"}, "view": {"view", "store"}}


def steps_of(bus: str, kind: str, force: str | None) -> list[str]:
    """The steps that a process of this kind takes over and over on this bus."""
    rooms = _ROOMS[kind] | ({bus} if kind != "view" else set())
    return [
        step
        for step in steps_on(bus)
        if step.partition(".")[0] in rooms and _ONLY_BY.get(step, force) == force
    ] + (["embedded.commit"] if (bus, kind) == ("embedded", "view") else [])


def steps_on(bus: str) -> list[str]:
    """The steps that are taken on this bus."""
    other = {"embedded", "kafka"} - {bus}
    return [step for step in STEPS if _ONLY_ON.get(step, bus) == bus and step.partition(".")[0] not in other]


def places(steps: Iterable[str]) -> list[str]:
    """The two marks of each step."""
    return [f"{step}:{side}" for step in steps for side in ("before", "after")]
