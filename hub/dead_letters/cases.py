"""The case of a dead letter: what people did about it, kept as one record of `hub.dead-letters.v1`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a letter stands. It is resolved once it is replayed or discarded, and not before."""

    OPEN = "open"
    EDITED = "edited"
    APPROVED = "approved"
    ASKED = "asked"
    """The connector is asked to take the row in again."""
    SENT = "sent"
    """On the alliance topic, not yet looked after: a newer version may have come between."""
    FAILED = "failed"
    """Replayed, and it failed again."""
    REPLAYED = "replayed"
    DISCARDED = "discarded"


RESOLVED = frozenset({State.REPLAYED, State.DISCARDED})
UNRESOLVED = tuple(state for state in State if state not in RESOLVED)


@dataclass(frozen=True, slots=True)
class Act:
    """One thing done with a letter; `at` is in microseconds UTC."""

    what: str
    by: str
    at: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What became of one letter. A letter nobody has touched has the empty case."""

    state: State = State.OPEN
    edited: bytes | None = None
    acts: tuple[Act, ...] = ()
    resolved_at: int | None = None

    @property
    def resolved(self) -> bool:
        return self.state in RESOLVED

    @property
    def editor(self) -> str | None:
        """Who made the edited value that stands; None where nothing was edited."""
        edits = [act.by for act in self.acts if act.what == State.EDITED]
        return edits[-1] if edits and self.edited is not None else None

    @property
    def approved(self) -> bool:
        """Whether the edited value that stands was approved after it was made."""
        marks = [act.what for act in self.acts if act.what in {State.EDITED, State.APPROVED}]
        return bool(marks) and marks[-1] == State.APPROVED

    @property
    def unasked(self) -> State:
        """Where it stood before it was replayed in vain."""
        if self.edited is None:
            return State.OPEN
        return State.APPROVED if self.approved else State.EDITED

    def after(self, state: State, act: Act) -> "Case":
        """The case once this was done; its history stays."""
        resolved_at = act.at if state in RESOLVED else None
        return replace(self, state=state, acts=(*self.acts, act), resolved_at=resolved_at)


def case_of(record: Mapping[str, Any]) -> Case:
    """Read a case as decoded from the bus."""
    acts = tuple(Act(act["what"], act["by"], act["at"], act["why"]) for act in record["acts"])
    return Case(State(record["state"]), record["edited"], acts, record["resolved_at"])


def case_record(letter: str, about: Mapping[str, Any], case: Case) -> dict[str, Any]:
    """A case as it is written; `about` is the letter as decoded."""
    acts = [{"what": act.what, "by": act.by, "at": act.at, "why": act.why} for act in case.acts]
    return {
        "letter": letter,
        "force": about["force"],
        "domain": about["domain"],
        "stage": about["stage"],
        "record_id": about["record_id"],
        "state": str(case.state),
        "edited": case.edited,
        "acts": acts,
        "resolved_at": case.resolved_at,
        "counts": {},
    }


COUNTS = "counts/"
"""Begins the keys of the entries that count what became of a feed's letters."""


def counts_record(force: str, domain: str, counts: Mapping[str, int]) -> dict[str, Any]:
    """An entry of counts as it is written, under its own name as the key."""
    return {
        "letter": f"{COUNTS}{force}/{domain}",
        "force": force,
        "domain": domain,
        "stage": "",
        "record_id": None,
        "state": "",
        "edited": None,
        "acts": [],
        "resolved_at": None,
        "counts": dict(counts),
    }
