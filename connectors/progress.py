"""How far a backfill is: the entry `!backfill` of its feed's positions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from hub.backfill import OVER


@dataclass(frozen=True, slots=True)
class Progress:
    """One state of it; `left` are the rows still to be taken, where that is known.

    `snapshot` is the one whose rows are noted so far.
    """

    id: str
    began: int
    by: str
    asked: str = ""
    phase: str = "reading"
    snapshot: str | None = None
    read: int = 0
    published: int = 0
    unchanged: int = 0
    dead_lettered: int = 0
    left: int | None = None
    error: str = ""

    @classmethod
    def of(cls, value: Mapping[str, Any] | None) -> Self | None:
        """As it was kept; one under way that an earlier release kept, in another form, begins anew."""
        if value is None:
            return None
        names = {field.name for field in fields(cls)}
        found = cls(**{name: each for name, each in value.items() if name in names})
        if value.keys() <= names or found.over:
            return found
        return cls(id=found.id, began=found.began, by=found.by, asked=found.asked)

    def as_value(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def over(self) -> bool:
        return self.phase in OVER

    def now(self, phase: str) -> Self:
        return replace(self, phase=phase)

    def noting(self, snapshot: str | None) -> Self:
        return replace(self, snapshot=snapshot)

    def leaving(self, left: int) -> Self:
        return replace(self, left=left)

    def troubled(self, error: str) -> Self:
        return replace(self, error=error)

    def ended(self, phase: str, error: str = "") -> Self:
        return replace(self, phase=phase, error=error, left=None)

    def grown(self, *, read: int = 0, published: int = 0, unchanged: int = 0, dead_lettered: int = 0) -> Self:
        return replace(
            self,
            read=self.read + read,
            published=self.published + published,
            unchanged=self.unchanged + unchanged,
            dead_lettered=self.dead_lettered + dead_lettered,
        )
