"""How often one caller may ask: a steady rate, with so many at once before it counts."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

_MOST_CALLERS = 10_000
"""Beyond this those heard of longest ago are forgotten, so that addresses made up cost no memory."""


class Rate:
    """The generic cell rate algorithm: per caller one number, the time at which all is forgotten."""

    def __init__(self, per_second: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._each = 1 / per_second
        self._most_ahead = burst / per_second
        self._now = now
        self._quiet_at: OrderedDict[Hashable, float] = OrderedDict()

    def wait(self, caller: Hashable) -> float:
        """Count one request: 0 where it may be answered, else after how many seconds one may be."""
        now = self._now()
        quiet_at = max(self._quiet_at.get(caller, now), now) + self._each
        too_early = quiet_at - now - self._most_ahead
        if too_early > 1e-9:
            return too_early
        self._quiet_at[caller] = quiet_at
        self._quiet_at.move_to_end(caller)
        if len(self._quiet_at) > _MOST_CALLERS:
            self._quiet_at.popitem(last=False)
        return 0.0
