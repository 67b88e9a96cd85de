"""What the metrics tell of one connector."""

from collections.abc import Callable, Mapping

from hub.forces import Feed
from hub.metrics import Metrics

STAGE = "read"


class Tally:
    """The series of one feed at this stage, all of them there from the start."""

    def __init__(self, feed: Feed, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._feed = (feed.force, feed.domain)
        metrics.declare(STAGE, *self._feed)

    def count(self, amounts: Mapping[str, int]) -> None:
        """Tell what became of rows, once that is committed."""
        for name, amount in amounts.items():
            self._metrics.records.labels(STAGE, *self._feed, name).inc(amount)

    def copies(self, left_unread: int) -> None:
        self._metrics.copies.labels(*self._feed).inc(left_unread)

    def complete_to(self, micros: int | None) -> None:
        if micros is not None:
            self._metrics.complete_to.labels(STAGE, *self._feed).set(micros / 1_000_000)

    def held(self, removals: int) -> None:
        self._metrics.held_removals.labels(*self._feed).set(removals)

    def moved(self) -> None:
        self._metrics.moved(STAGE, *self._feed, self._clock())

    def retried(self, pause_seconds: float) -> None:
        self._metrics.retried(STAGE, *self._feed, pause_seconds)
