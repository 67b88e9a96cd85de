"""What operators ask of one connector, looked at between its batches."""

import time
from collections.abc import Callable

from hub.bus.contract import Bus
from hub.control import REPLAY, STATE, ConnectorState, Wish, Wishes, backfills
from hub.forces import Feed
from hub.schema.codec import Codec

LOOK_SECONDS = 0.5
"""How often the bus is asked; an order takes effect after the batch under way."""


class Orders:
    """The newest orders. Where nobody ever asked for anything a connector runs."""

    def __init__(
        self, feed: Feed, bus: Bus, codec: Codec, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._wishes = Wishes(bus, codec, feed)
        self._clock = clock
        self._look_at = 0.0
        self._begun: int | None = None

    @property
    def state(self) -> ConnectorState:
        """What the connector is to be: RUNNING, PAUSED or STOPPED."""
        wish = self._wishes.standing.get(STATE)
        return ConnectorState.RUNNING if wish is None else ConnectorState(wish.value["state"])

    @property
    def restarts(self) -> int:
        """How often a restart has been asked for."""
        wish = self._wishes.standing.get(STATE)
        return 0 if wish is None else int(wish.value.get("restarts", 0))

    @property
    def backfill(self) -> Wish | None:
        """The first that was asked for, where one is."""
        return next(iter(backfills(self._wishes.standing)), None)

    @property
    def replays(self) -> list[Wish]:
        """In the order in which they were asked."""
        return [wish for name, wish in self._wishes.standing.items() if name.startswith(REPLAY)]

    def look(self) -> None:
        """Ask the bus, where the last answer is half a second old."""
        now = self._clock()
        if now >= self._look_at:
            self._wishes.look()
            self._look_at = now + LOOK_SECONDS

    def begin(self) -> None:
        """A connector starts: what was asked for up to the next look is no reason to leave."""
        self._begun = None

    def leave(self) -> bool:
        """Whether the connector is to end: it is to be stopped, or started anew."""
        self.look()
        if self._begun is None:
            self._begun = self.restarts
        return self.state is ConnectorState.STOPPED or self.restarts != self._begun
