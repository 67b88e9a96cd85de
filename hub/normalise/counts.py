"""What has become of the records of a partition, kept as text beside the consumed offset.

Kept in the same commit as the offset, so it counts each record once (invariant 5).
"""

from dataclasses import asdict, dataclass, fields, replace

from hub.bus.contract import Offset
from hub.last_error import LastError, beside_offset, read_beside_offset
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
        return self.text_with(None)

    def text_with(self, error: LastError | None) -> str:
        return beside_offset({name: value for name, value in asdict(self).items() if value}, error)

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


def has_error(kept: Offset) -> bool:
    """Whether an error was kept with it."""
    _, error = read_beside_offset(kept.metadata)
    return error is not None


def read_counts(kept: Offset | None) -> Counts:
    """Read what was kept; zeros where nothing was."""
    values, _ = read_beside_offset(kept.metadata if kept else "")
    return Counts(**{field.name: values.get(field.name, 0) for field in fields(Counts)})
