"""How far a backfill is: the entry `!backfill` of its feed's positions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from connectors.source import Position

_OVER = frozenset({"done", "cancelled", "failed"})


@dataclass(frozen=True, slots=True)
class Progress:
    """One state of it; `position` is where the second reading goes on, `left` what is gathered."""

    id: str
    began: int
    by: str
    asked: str = ""
    phase: str = "reading"
    position: Position = field(default_factory=dict)
    gathers: bool = False
    read: int = 0
    published: int = 0
    unchanged: int = 0
    dead_lettered: int = 0
    left: int | None = None
    error: str = ""

    @classmethod
    def of(cls, value: Mapping[str, Any] | None) -> Self | None:
        return None if value is None else cls(**value)

    def as_value(self) -> dict[str, Any]:
        lasting = {name: value for name, value in self.position.items() if not name.startswith("~")}
        return asdict(self) | {"position": lasting}

    @property
    def over(self) -> bool:
        return self.phase in _OVER

    def resumed(self) -> Self:
        """As it goes on in another process: what was gathered has gone with the last."""
        if self.gathers:
            return replace(self, phase="reading", position={}, gathers=False, read=0, left=None)
        return self

    def now(self, phase: str, *, left: int | None = None) -> Self:
        return replace(self, phase=phase, left=left)

    def at(self, position: Position) -> Self:
        return replace(self, position=position)

    def gathering(self) -> Self:
        return replace(self, gathers=True, error="")

    def troubled(self, error: str) -> Self:
        return replace(self, error=error)

    def ended(self, phase: str, error: str = "") -> Self:
        return replace(self, phase=phase, error=error, position={}, left=None)

    def grown(self, *, read: int = 0, published: int = 0, unchanged: int = 0, dead_lettered: int = 0) -> Self:
        taken = published + unchanged + dead_lettered
        return replace(
            self,
            read=self.read + read,
            published=self.published + published,
            unchanged=self.unchanged + unchanged,
            dead_lettered=self.dead_lettered + dead_lettered,
            left=None if self.left is None else max(0, self.left - taken),
        )
