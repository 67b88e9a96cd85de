"""One backfill under way in one process; its phases are told in `connectors/backfill.py`."""

from collections.abc import Callable, Sequence

from connectors.backfill_rows import Wanted, first_position
from connectors.last_rows import LastRows
from connectors.progress import Progress
from connectors.publisher import Publisher
from connectors.source import Batch, Position, Refused, Row, Source
from hub.backfill import Backfill
from hub.errors import HubError, TransientError
from hub.forces import Feed
from hub.positions import BACKFILL, BACKFILL_AT

_ROWS_AT_ONCE = 1000
_TRY_AGAIN_SECONDS = 10.0


class SourceFailedError(Exception):
    """The source cannot be read again, though the live reading goes on."""


class Run:
    """Reads no faster than asked; of no more use than its publisher is."""

    def __init__(
        self,
        feed: Feed,
        asked: Backfill,
        wanted: Wanted,
        open_source: Callable[[], Source],
        publisher: Publisher,
        last: LastRows,
        progress: Progress,
        clock: Callable[[], float],
    ) -> None:
        self.progress = progress
        self._feed = feed
        self._asked = asked
        self._wanted = wanted
        self._open_source = open_source
        self._source: Source | None = None
        self._publisher = publisher
        self._last = last
        self._clock = clock
        self._position = publisher.positions.position_of(BACKFILL_AT) or self._first_position()
        self._compared = ""
        self._earned_at = clock()
        self._earned = 1.0
        self._read_at = clock()
        self._try_at = 0.0
        self._told_at = 0.0

    def close(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def go_on(self, at: int, live_since: float | None) -> bool:
        """Do a bounded piece of the phase it is in; False where there is none to be done for now."""
        if not self._may_go_on():
            return False
        went_on = True
        match self.progress.phase:
            case "reading":
                self._read(at)
            case "waiting" if live_since is not None and live_since > self._read_at:
                self.progress = self.progress.now("comparing")
            case "comparing":
                self._compare(at)
            case "taking" if not self._publisher.state.in_a_snapshot:
                self._take(at)
            case _:
                went_on = False
        if self._clock() - self._told_at > 1 and not self.progress.over:
            self._keep(at)
        return went_on

    def _may_go_on(self) -> bool:
        now, rate = self._clock(), self._asked.rate
        self._earned = min(self._earned + (now - self._earned_at) * rate, max(rate, _ROWS_AT_ONCE))
        self._earned_at = now
        return self._earned >= 1 and now >= self._try_at

    def _read(self, at: int) -> None:
        batch = self._next_batch()
        if batch is None:
            return
        took = not batch.keys_only and self._took(batch, at)
        if not batch.more:
            self._read_at = self._clock()
            self.progress = (
                self.progress.now("waiting") if self._last.count() else self.progress.ended("done")
            )
        if took and not self.progress.over:
            self._keep(at)

    def _took(self, batch: Batch, at: int) -> bool:
        """Take in a batch; whether anything came of it."""
        self.progress = self.progress.grown(read=len(batch.rows))
        if batch.current and batch.snapshot is None:
            return self._publish(self._wanted.of(batch.rows), at, current=True)
        begins = batch.snapshot not in {None, self.progress.snapshot}
        if begins:  # it says everything: who is not in it has left
            self._last.clear(at)
            self.progress = self.progress.noting(batch.snapshot)
        noted = self._note(batch, at)
        refused = [row for row in batch.rows if not isinstance(row, Row)]
        return self._publish(self._wanted.of(refused), at, current=False) or noted or begins

    def _note(self, batch: Batch, at: int) -> bool:
        """Note what the last row of each wanted key says; of a snapshot that has a key twice, the first."""
        keyed = _keyed(batch)
        held = self._last.of({key for key, _ in keyed})
        digests: dict[str, bytes] = {}
        for key, row in keyed:
            again = key in held or key in digests
            if not batch.one_a_key if again else self._wanted(row):
                digests[key] = self._publisher.changes.digest(row)
        self._last.put(digests, at)
        return bool(digests)

    def _compare(self, at: int) -> None:
        """Drop what is as it was published; what is left is to be taken."""
        digests = self._last.after(self._compared, _ROWS_AT_ONCE)
        if digests:
            self._compared = max(digests)
            known = self._publisher.state.lookup(list(digests))
            same = [key for key, known in known.items() if known.hash == digests[key]]
            self._last.drop(same, at)
            self._publisher.count({"read": len(same), "unchanged": len(same)})
            self.progress = self.progress.grown(unchanged=len(same))
        elif left := self._last.count():
            self.close()
            self._position = self._first_position()
            self.progress = self.progress.now("taking").leaving(left)
        else:
            self.progress = self.progress.ended("done")
            return
        self._keep(at)

    def _take(self, at: int) -> None:
        batch = self._next_batch()
        if batch is None:
            return
        keyed = _keyed(batch)
        wanted = self._last.of({key for key, _ in keyed})
        taken: dict[str, Row] = {}
        for key, row in keyed:
            if key not in taken and wanted.get(key) == self._publisher.changes.digest(row):
                taken[key] = row
        self._last.drop(taken, at)
        left = self._last.count()
        self.progress = self.progress.leaving(left)
        self._publish(list(taken.values()), at, current=False)
        if not left or not batch.more:
            gone = f"{left} rows were gone when they were to be taken" if left else ""
            self.progress = self.progress.ended("done", gone)
        elif taken:
            self._keep(at)

    def _next_batch(self) -> Batch | None:
        """None where the source does not answer for now."""
        try:
            if self._source is None:
                self._source = self._open_source()
            batch = self._source.read(self._position)
        except TransientError as error:
            self._try_at, self._told_at = self._clock() + _TRY_AGAIN_SECONDS, 0.0
            self.progress = self.progress.troubled(str(error))
            return None
        except HubError as error:
            raise SourceFailedError(str(error)) from error
        self._position = batch.position
        self._earned -= len(batch.rows)
        self.progress = self.progress.troubled("")
        return batch

    def _publish(self, rows: Sequence[Row | Refused], at: int, *, current: bool) -> bool:
        """Publish what is news in these rows; whether there were any."""
        if not rows:
            return False
        found = self._publisher.changes.of(Batch(rows, {}, current=current))
        published, dead = self._publisher.take(found, at)
        self.progress = self.progress.grown(
            published=published, dead_lettered=dead, unchanged=found.read - published - dead
        )
        return True

    def _keep(self, at: int) -> None:
        """Commit what came of it together with how far it has come (invariant 1)."""
        self._publisher.note_position(BACKFILL_AT, self._position, at)
        self._publisher.put(BACKFILL, self.progress.as_value(), at)
        self._told_at = self._clock()

    def _first_position(self) -> Position:
        return first_position(self._feed, self._asked, self._publisher.positions.position)


def _keyed(batch: Batch) -> list[tuple[str, Row]]:
    """The rows of a batch that name their record."""
    return [(row.key, row) for row in batch.rows if isinstance(row, Row) and row.key is not None]
