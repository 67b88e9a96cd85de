"""Most of a window bad means a changed source, not bad records (invariant 7)."""

from collections import deque

from hub.dead_letters import dead_letter_topic
from hub.errors import SourceChangedError
from hub.forces import Feed

WINDOW_RECORDS = 50


class Window:
    """Watches the share of bad records among the last fifty of a feed."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._bad: deque[bool] = deque(maxlen=WINDOW_RECORDS)

    def good(self) -> None:
        self._bad.append(False)

    def bad(self, reason: str) -> None:
        """Note a bad record; `SourceChangedError` once more than half of the window is bad."""
        self._bad.append(True)
        count = sum(self._bad)
        if len(self._bad) == WINDOW_RECORDS and count * 2 > WINDOW_RECORDS:
            raise SourceChangedError(
                f"{self._feed}: {count} of the last {WINDOW_RECORDS} events could not be used, the last "
                f"because: {reason.rstrip('.')}. That is a changed source rather than bad events, so this "
                f"batch is left where it is. Mend what writes {self._feed.topic}, or its schema, and start "
                f"again; earlier ones lie in {dead_letter_topic(self._feed.topic)}."
            )
