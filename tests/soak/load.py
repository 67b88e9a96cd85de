"""What keeps the legacy systems busy for an hour: mostly ordinary work, at a high rate."""

import datetime as dt

from connectors.standins.busy import Busy
from connectors.standins.legacy import LegacySystems

MISHAPS_A_SECOND = 0.2
"""A real system is as messy as its people, and those are no quicker for a high rate."""

_OPEN_SECONDS = 5
"""So many seconds of changes are spread over the open incidents of a force, that each change is
seen by itself: of two between two looks the hub sees the second alone."""

_UNSEEN = 1.13
"""Changes for each event: of the people in extracts only the last change before it is seen."""


class Steady(Busy):
    """Makes the changes that come to `rate` events a second, over the whole time."""

    most_behind = dt.timedelta(minutes=2)

    def __init__(self, legacy: LegacySystems, *, rate: float) -> None:
        super().__init__(legacy, rate=rate * _UNSEEN, most_open=max(60, int(rate * _OPEN_SECONDS)))
        self._mishaps = min(1.0, MISHAPS_A_SECOND / (rate * 0.04))

    def _mishap(self, force: str) -> None:
        if self._rng.random() < self._mishaps:
            super()._mishap(force)
        elif self._open[force]:
            self._go_on(force)
