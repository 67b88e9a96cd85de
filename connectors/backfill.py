"""A backfill: a second reading of a source beside the live one, as operators ask for it.

reading    what is current (a query) is taken as it comes; of a log or a snapshot it is noted what the
           last row of each key says
waiting    until the live reading has come past the end of this one
comparing  what is as it was published is dropped
taking     the source is read once more, and those rows that are left are taken; never one of a key that
           the live reading has met since: that is newer
done       or cancelled, or failed; the wish is withdrawn in the same transaction

How far each has come is kept in the transaction of what came of it (invariant 1), so a backfill goes
on there after a kill.
"""

import time
from collections.abc import Callable, Collection

import structlog

from connectors.backfill_rows import Wanted, refuse
from connectors.backfill_run import Run, SourceFailedError
from connectors.last_rows import LastRows
from connectors.progress import Progress
from connectors.publisher import Publisher
from connectors.source import Source
from hub.backfill import read_backfill
from hub.control import Wish
from hub.errors import BadQueryError, TransientError
from hub.forces import Feed
from hub.positions import BACKFILL, BACKFILL_AT

log = structlog.get_logger()


class Backfiller:
    """The backfill of one connector, if one is asked for.

    A step of it follows each live batch, and more of them while the next is not due.
    """

    def __init__(
        self,
        feed: Feed,
        open_source: Callable[[], Source] | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._feed = feed
        self._open_source = open_source
        self._clock = clock
        self._last: LastRows | None = None
        self._run: Run | None = None

    def take_over(self, publisher: Publisher) -> None:
        """Go on with what another process began, before the live reading meets anything."""
        if _under_way(publisher) is not None:
            self._last = LastRows(publisher)

    def met(self, keys: Collection[str], at: int) -> None:
        """The live reading is about to publish what it read of these keys."""
        if self._last is not None:
            self._last.drop(keys, at)

    def step(self, publisher: Publisher, wish: Wish | None, at: int, *, live_since: float | None) -> bool:
        """Do a bounded piece of what is asked, as fast as it may; whether more may be done at once.

        `live_since` is when the live batch before this step began to be read, where it was the
        last there is; else None.
        """
        if self._open_source is None:
            return False
        try:
            return self._step(publisher, wish, at, live_since)
        except TransientError:
            self.let_go()
            raise

    def let_go(self) -> None:
        """Forget what is under way; who takes over goes on from what was kept."""
        run, self._run = self._run, None
        if run is not None:
            run.close()
        last, self._last = self._last, None
        if last is not None:
            last.close()

    def _step(self, publisher: Publisher, wish: Wish | None, at: int, live_since: float | None) -> bool:
        under_way = _under_way(publisher)
        if under_way is not None and (wish is None or wish.value.get("id") != under_way.id):
            self._end(publisher, under_way.ended("cancelled"), at)
        if wish is None or _is_over(publisher, wish):
            return False  # a wish that is fulfilled is seen to be withdrawn with the next look
        run = self._run
        if run is None:
            run = self._run = self._begin(publisher, wish, at)
        if run is None:
            return False
        went_on = False
        try:
            went_on = run.go_on(at, live_since)
        except SourceFailedError as error:
            run.progress = run.progress.ended("failed", str(error))
            log.error("backfill failed", feed=str(self._feed), message=str(error))
        if run.progress.over:
            publisher.withdraw(wish.name)
            self._end(publisher, run.progress, at)
        return went_on

    def _begin(self, publisher: Publisher, wish: Wish, at: int) -> Run | None:
        try:
            asked = read_backfill(wish.value)
            refuse(self._feed, asked)
        except BadQueryError as error:
            publisher.withdraw(wish.name)
            refused = Progress(id=str(wish.value.get("id", "")), began=at, by=wish.by)
            self._end(publisher, refused.ended("failed", str(error)), at)
            return None
        progress = _under_way(publisher)
        if progress is None:
            progress = Progress(id=asked.id, began=at, by=wish.by, asked=asked.in_words())
            publisher.put(BACKFILL, progress.as_value(), at)
        self._last = self._last or LastRows(publisher)
        assert self._open_source is not None
        return Run(
            self._feed, asked, Wanted(self._feed, asked), self._open_source, publisher, self._last, progress,
            self._clock,
        )  # fmt: skip

    def _end(self, publisher: Publisher, progress: Progress, at: int) -> None:
        """Tell how it ended, and forget what was kept to go on with."""
        if self._last is not None:
            self._last.clear(at)
        publisher.forget(*(name for name in publisher.positions.kept if name.startswith(BACKFILL_AT)))
        publisher.put(BACKFILL, progress.as_value(), at)
        self.let_go()


def _under_way(publisher: Publisher) -> Progress | None:
    kept = Progress.of(publisher.positions.kept.get(BACKFILL))
    return None if kept is None or kept.over else kept


def _is_over(publisher: Publisher, wish: Wish) -> bool:
    kept = Progress.of(publisher.positions.kept.get(BACKFILL))
    return kept is not None and kept.over and kept.id == wish.value.get("id")
