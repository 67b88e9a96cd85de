"""Reading a log again from its beginning: what it says at its end counts, not the way there.

It is where its position was reset, and where its source cannot go on from where it was.
"""

from typing import Self

from connectors.gathered import Gathered
from connectors.publisher import Publisher
from connectors.source import Batch, Position, Row
from connectors.window import Window
from hub.positions import AGAIN

_ROWS_AT_ONCE = 1000


class Again:
    """One reading of a source from an earlier position to its end.

    Rows that are what the source holds now, and whole snapshots, need none of this and pass. Of
    a log the position is kept only at its end: a restart before begins the reading anew, and finds
    unchanged what was published.
    """

    def __init__(self, position: Position) -> None:
        self.position = position
        self._gathered = Gathered()
        self._rows = 0
        self._others = 0

    @classmethod
    def begin(cls, publisher: Publisher, position: Position, at: int) -> Self:
        """Read again from a position, in the next process too where this one ends before."""
        publisher.put(AGAIN, {}, at)
        return cls(position)

    @staticmethod
    def is_due(publisher: Publisher) -> bool:
        return AGAIN in publisher.positions.kept

    def takes(self, batch: Batch) -> bool:
        """Whether a batch is of a log."""
        return not batch.current and batch.snapshot is None

    def read(self, publisher: Publisher, batch: Batch, window: Window, at: int) -> None:
        """Take in a batch; at the end publish what is news, in bounded parts, the last left open."""
        keyed = [(row, True) for row in batch.rows if isinstance(row, Row) and row.key is not None]
        bad = [row for row in batch.rows if not isinstance(row, Row) or row.key is None]
        found = publisher.changes.of(Batch(bad, batch.position))
        window.check(batch, (*found.bad, *(False for _ in keyed)))
        publisher.take(found, at)
        publisher.part(at)
        self._gathered.put(keyed)
        self._rows += len(keyed)
        self._others += batch.other_force
        self.position = batch.position
        if not batch.more:
            self._publish(publisher, at)

    def end(self, publisher: Publisher) -> None:
        """The source is as far as it was; to be kept with the position."""
        publisher.forget(AGAIN)
        self.close()

    def close(self) -> None:
        self._gathered.close()

    def _publish(self, publisher: Publisher, at: int) -> None:
        last = self._gathered.count()
        while rows := self._gathered.take(_ROWS_AT_ONCE):
            publisher.part(at)
            publisher.take(publisher.changes.of(Batch(rows, self.position)), at)
        overtaken = self._rows - last
        publisher.count(
            {"read": overtaken + self._others, "other_force": self._others, "unchanged": overtaken}
        )
