"""A backfill: a second reading of a source, from its beginning, beside the live one.

reading   what is current (a query) is taken as it comes, its position kept as the source's own is;
          of a log or a snapshot the last row of each key is gathered, and a kill begins it anew
waiting   until the live reading has come past the end of this one
taking    what was gathered, but nothing that the live reading has met since: that is newer
done      or cancelled, or failed; the wish is withdrawn in the same transaction
"""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack

import structlog

from connectors.backfill_rows import Wanted, first_position
from connectors.gathered import Gathered
from connectors.progress import Progress
from connectors.publisher import Publisher
from connectors.source import Batch, Row, Source
from hub.backfill import read_backfill
from hub.control import Wish
from hub.errors import BadQueryError, HubError, TransientError
from hub.forces import Feed
from hub.positions import BACKFILL

log = structlog.get_logger()

_ROWS_AT_ONCE = 1000
_TRY_AGAIN_SECONDS = 10.0


class Backfiller:
    """The backfill of one connector, if one is asked for. A step of it follows each live batch."""

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
        self._run: _Run | None = None

    def met(self, keys: Iterable[str]) -> None:
        """The live reading is about to publish what it read of these keys."""
        if self._run is not None:
            self._run.gathered.drop(keys)

    def step(self, publisher: Publisher, wish: Wish | None, at: int, *, live_since: float | None) -> None:
        """Do a bounded piece of what is asked, as fast as it may.

        `live_since` is when the live batch before this step began to be read, where it was the
        last there is; else None.
        """
        if self._open_source is None:
            return
        try:
            self._step(publisher, wish, at, live_since)
        except TransientError:
            self.let_go()
            raise

    def let_go(self) -> None:
        """Forget what is under way; the next step goes on from what was kept."""
        run, self._run = self._run, None
        if run is not None:
            run.close()

    def _step(self, publisher: Publisher, wish: Wish | None, at: int, live_since: float | None) -> None:
        kept = Progress.of(publisher.positions.kept.get(BACKFILL))
        if wish is None or (self._run is not None and self._run.progress.id != wish.value.get("id")):
            self.let_go()
        if wish is None:
            if kept is not None and not kept.over:
                publisher.put(BACKFILL, kept.ended("cancelled").as_value(), at)
            return
        if kept is not None and kept.over and kept.id == wish.value.get("id"):
            return  # it is fulfilled, and the wish is seen to be withdrawn with the next look
        run = self._run
        if run is None:
            run = self._run = self._begin(publisher, wish, kept, at)
        if run is None:
            return
        try:
            run.go_on(publisher, at, live_since)
        except _SourceError as error:
            run.progress = run.progress.ended("failed", str(error))
            log.error("backfill failed", feed=str(self._feed), message=str(error))
        if run.progress.over:
            publisher.withdraw(wish.name)
            publisher.put(BACKFILL, run.progress.as_value(), at)
            self.let_go()

    def _begin(self, publisher: Publisher, wish: Wish, kept: Progress | None, at: int) -> "_Run | None":
        try:
            asked = read_backfill(wish.value)
        except BadQueryError as error:
            publisher.withdraw(wish.name)
            failed = Progress(id=str(wish.value.get("id", "")), began=at, by=wish.by)
            publisher.put(BACKFILL, failed.ended("failed", str(error)).as_value(), at)
            return None
        begun = kept if kept is not None and kept.id == asked.id else None
        progress = begun or Progress(
            id=asked.id,
            began=at,
            by=wish.by,
            position=first_position(self._feed, asked),
            asked=asked.in_words(),
        )
        assert self._open_source is not None
        return _Run(self._open_source, Wanted(self._feed, asked), asked.rate, progress.resumed(), self._clock)


class _SourceError(Exception):
    """The source cannot be read again, though the live reading goes on."""


class _Run:
    """One backfill under way in this process."""

    def __init__(
        self,
        open_source: Callable[[], Source],
        wanted: Wanted,
        rate: float,
        progress: Progress,
        clock: Callable[[], float],
    ) -> None:
        self.progress = progress
        self.gathered = Gathered()
        self._open = ExitStack()
        self._open.callback(self.gathered.close)
        self._open_source = open_source
        self._source: Source | None = None
        self._wanted = wanted
        self._rate = rate
        self._clock = clock
        self._position = progress.position
        self._earned_at = clock()
        self._earned = 1.0
        self._read_at = clock()
        self._try_at = 0.0
        self._told_at = 0.0

    def close(self) -> None:
        self._open.close()

    def go_on(self, publisher: Publisher, at: int, live_since: float | None) -> None:
        now = self._clock()
        self._earned = min(
            self._earned + (now - self._earned_at) * self._rate, max(self._rate, _ROWS_AT_ONCE)
        )
        self._earned_at = now
        if self._earned < 1 or now < self._try_at:
            return
        if self.progress.phase == "reading":
            self._read(publisher, at)
        elif self.progress.phase == "waiting":
            if live_since is not None and live_since > self._read_at:
                self.progress = self.progress.now("taking", left=self.gathered.count())
        elif not publisher.state.in_a_snapshot:
            self._take(publisher, at)
        if self._clock() - self._told_at > 1 and not self.progress.over:
            self._told_at = self._clock()
            publisher.put(BACKFILL, self.progress.as_value(), at)

    def _read(self, publisher: Publisher, at: int) -> None:
        batch = self._next_batch()
        if batch is None:
            return
        self._position = batch.position
        self._earned -= len(batch.rows)
        self.progress = self.progress.grown(read=0 if batch.keys_only else len(batch.rows))
        if batch.current and batch.snapshot is None:
            self.progress = self.progress.at(batch.position)
            self._publish(publisher, self._wanted.of(batch.rows), at, current=True)
        elif not batch.keys_only:
            self._gather(publisher, batch, at)
        if not batch.more:
            self._read_at = self._clock()
            gathers = self.progress.gathers
            self.progress = self.progress.now("waiting") if gathers else self.progress.ended("done")

    def _next_batch(self) -> Batch | None:
        """None where the source does not answer for now."""
        try:
            if self._source is None:
                self._source = self._open_source()
                self._open.callback(self._source.close)
            return self._source.read(self._position)
        except TransientError as error:
            self._try_at = self._clock() + _TRY_AGAIN_SECONDS
            self.progress = self.progress.troubled(str(error))
        except HubError as error:
            raise _SourceError(str(error)) from error
        return None

    def _gather(self, publisher: Publisher, batch: Batch, at: int) -> None:
        keyed = [row for row in batch.rows if isinstance(row, Row) and row.key is not None]
        self.gathered.put(
            (row, wanted) for row in keyed if (wanted := self._wanted(row)) or self._wanted.by_time
        )
        refused = [row for row in batch.rows if not isinstance(row, Row)]
        self.progress = self.progress.gathering()
        self._publish(publisher, self._wanted.of(refused), at, current=False)

    def _take(self, publisher: Publisher, at: int) -> None:
        rows = self.gathered.take(max(1, min(_ROWS_AT_ONCE, int(self._earned))))
        self._earned -= len(rows)
        if rows:
            self._publish(publisher, rows, at, current=False)
        else:
            self.progress = self.progress.ended("done")

    def _publish(self, publisher: Publisher, rows: Iterable[object], at: int, *, current: bool) -> None:
        """Publish what is news in these rows, together with how far this has come (invariant 1)."""
        taken = list(rows)
        if not taken:
            return
        found = publisher.changes.of(Batch(taken, {}, current=current))  # type: ignore[arg-type]
        published, dead = publisher.take(found, at)
        self.progress = self.progress.grown(
            published=published, dead_lettered=dead, unchanged=found.read - published - dead
        )
        publisher.put(BACKFILL, self.progress.as_value(), at)
        self._told_at = self._clock()
