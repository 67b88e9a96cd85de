"""What the view tells of itself: every series is there from the start."""

from collections import Counter
from collections.abc import Iterable, Sequence

from hub.domains import DOMAINS
from hub.forces import Feed
from hub.metrics import Metrics
from hub.view.session import Applied, Batch, Fresh

STAGE = "view"


class Tally:
    """The metrics of one view."""

    def __init__(self, metrics: Metrics, feeds: Iterable[Feed]) -> None:
        self._metrics = metrics
        self._feeds = [(feed.force, feed.domain) for feed in feeds]
        for feed in self._feeds:
            metrics.declare(STAGE, *feed)
        for domain in DOMAINS.values():
            metrics.lag.labels(STAGE, domain.topic)

    def applied(self, applied: Applied, batches: Sequence[Batch], now: float) -> None:
        received: Counter[tuple[str, str]] = applied.applied + applied.superseded
        for batch in batches:
            for name, ended in (("dead_lettered", batch.dead_lettered), ("erased", batch.erasures)):
                for force, n in ended.items() if batch.counted else ():
                    self._count(batch.domain, force, name, n)
                    received[batch.domain, force] += n
        for name, counts in (
            ("applied", applied.applied),
            ("superseded", applied.superseded),
            ("received", received),
        ):
            for (domain, force), n in counts.items():
                self._count(domain, force, name, n)
        observers = {
            feed: self._metrics.change_to_visible.labels(feed[1], feed[0]).observe for feed in applied.applied
        }
        for domain, force, instant in applied.changed:
            observers[domain, force](max(0.0, now - instant / 1_000_000))

    def _count(self, domain: str, force: str, outcome: str, n: int) -> None:
        self._metrics.records.labels(STAGE, force, domain, outcome).inc(n)

    def fresh(self, fresh: Iterable[Fresh]) -> None:
        for force, domain, complete_to in fresh:
            self._metrics.complete_to.labels(STAGE, force, domain).set(complete_to / 1_000_000)

    def lag(self, topic: str, records: int) -> None:
        self._metrics.lag.labels(STAGE, topic).set(records)

    def progress(self, now: float) -> None:
        for feed in self._feeds:
            self._metrics.moved(STAGE, *feed, now)

    def retried(self, pause_seconds: float) -> None:
        """A view that tries again holds up all feeds."""
        for feed in self._feeds:
            self._metrics.retried(STAGE, *feed, pause_seconds)

    def stopped(self, value: int) -> None:
        for feed in self._feeds:
            self._metrics.stopped.labels(STAGE, *feed).set(value)
