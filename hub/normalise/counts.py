"""What has become of the records of a partition, kept as text beside the consumed offset.

Kept in the same commit as the offset, so it counts each record once (invariant 5).
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from hub.bus.contract import Offset
from hub.normalise.lane import Outcome


@dataclass(frozen=True, slots=True)
class Counts:
    """Records of one partition by outcome.

    Records before `counted_to` have been counted; passing them anew counts as `again` only.
    """

    normalised: int = 0
    dead_lettered: int = 0
    again: int = 0
    counted_to: int = 0
    erased: int = 0

    @property
    def text(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value})

    def after(self, outcome: Outcome) -> "Counts":
        return Counts(
            self.normalised + outcome.normalised,
            self.dead_lettered + outcome.dead_lettered,
            self.again + outcome.again,
            self.counted_to if outcome.next_offset < self.counted_to else 0,
            self.erased + outcome.erased,
        )

    def released(self) -> "Counts":
        """One that had waited as a dead letter was sent on."""
        return replace(self, normalised=self.normalised + 1, dead_lettered=self.dead_lettered - 1)


def read_counts(kept: Offset | None) -> Counts:
    """Read what was kept; zeros where nothing was."""
    if kept is None or not kept.metadata:
        return Counts()
    values: dict[str, Any] = json.loads(kept.metadata)
    return Counts(**values)
