"""Most of a window bad means a changed source, not bad records (invariant 7)."""

from collections import deque
from collections.abc import Sequence

from connectors.changes import NO_KEY
from connectors.source import Batch, Refused
from hub.errors import SourceChangedError
from hub.forces import Feed

_WINDOW = 50
_WHOLE_BATCH = 20


class Window:
    """Watches the share of bad rows among the last fifty, and in each batch."""

    def __init__(self, feed: Feed, max_bad_percent: float) -> None:
        self._feed = feed
        self._most = max_bad_percent / 100
        self._bad: deque[bool] = deque(maxlen=_WINDOW)

    def check(self, batch: Batch, bad: Sequence[bool]) -> None:
        """Raise `SourceChangedError` before anything of a batch is published or its position kept."""
        rows, count = len(bad), sum(bad)
        self._bad.extend(bad[-_WINDOW:])
        whole = rows >= _WINDOW or (rows >= _WHOLE_BATCH and count == rows)
        last = sum(self._bad) / _WINDOW if len(self._bad) == _WINDOW else 0
        if max(count / rows if whole else 0, last) > self._most:
            self._stop(batch, count, rows)

    def _stop(self, batch: Batch, count: int, rows: int) -> None:
        first = next(row for row in batch.rows if isinstance(row, Refused) or row.key is None)
        reason = first.reason if isinstance(first, Refused) else NO_KEY
        raise SourceChangedError(
            f"{self._feed}: {count} of {rows} rows are bad, the first at {first.place}: {reason} That is a "
            f"changed source rather than bad rows, so nothing of them is published and the position stays. "
            f"Mend the source, or {self._feed.file} and its schema, and start again; where the rows are "
            f"as they should be, raise `max_bad_percent` under [source]."
        )
