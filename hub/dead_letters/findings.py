"""What a replay comes to for each letter."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a replay comes to for one letter."""

    PASSES = "passes"
    STALE = "stale"
    """A newer version of the record, or this very one, is there already."""
    FAILS = "fails"
    UNAPPROVED = "unapproved"
    HELD = "held"
    """It waits behind another letter, and goes on by itself once that is resolved."""
    ASKED = "asked"
    """The connector is asked, and has not answered yet."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one letter, and why."""

    letter: str
    verdict: Verdict
    why: str = ""
