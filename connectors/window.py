"""Most of a window bad means a changed source, not bad records (invariant 7)."""

from collections import deque
from collections.abc import Sequence

from connectors.changes import KEY_TWICE, NO_KEY
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
        self._seen = ""

    def check(self, batch: Batch, bad: Sequence[bool]) -> None:
        """Raise `SourceChangedError` before anything of a batch is published or its position kept."""
        rows, count = len(bad), sum(bad)
        self._bad.extend(bad[-_WINDOW:])
        if count:
            self._seen = _first_bad(batch, bad)
        whole = rows >= _WINDOW or (rows >= _WHOLE_BATCH and count == rows)
        if whole and count / rows > self._most:
            self._stop(f"{count} of {rows} rows")
        if len(self._bad) == _WINDOW and sum(self._bad) / _WINDOW > self._most:
            self._stop(f"{sum(self._bad)} of the last {_WINDOW} rows")

    def _stop(self, share: str) -> None:
        raise SourceChangedError(
            f"{self._feed}: {share} are bad, such as {self._seen} That is a changed source rather than bad "
            f"rows, so nothing of this batch is published and the position stays. Mend the source, or "
            f"{self._feed.file} and its schema, and start again; where the rows are as they should be, "
            f"raise `max_bad_percent` under [source]."
        )


def _first_bad(batch: Batch, bad: Sequence[bool]) -> str:
    """Where a bad row is, and what is wrong with it."""
    for row in batch.rows:
        if isinstance(row, Refused) or row.key is None:
            return f"{row.place}: {row.reason if isinstance(row, Refused) else NO_KEY}"
    return f"{batch.rows[bad.index(True)].place}: {KEY_TWICE}"
