"""Whether another process runs a connector, as heard by one that was fenced and may write nothing."""

import time
from collections.abc import Callable

from hub.bus.contract import Bus
from hub.errors import HubError
from hub.forces import Feed
from hub.positions import STATE, SUMMARY, read_entries
from hub.schema.codec import Codec

LISTEN_SECONDS = 10.0
"""How often the bus is asked: whoever runs a connector writes every five seconds."""


class Others:
    """Listens for what others keep in the positions of a feed.

    A bus that does not answer is no silence, nor is what cannot be read: somebody wrote it.
    """

    def __init__(
        self, feed: Feed, bus: Bus, codec: Codec, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._feed, self._bus, self._clock = feed, bus, clock
        self._decode = codec.decoder(feed.positions_topic)
        self._said: object = None
        self._heard_at = self._listen_at = clock()

    def silent_seconds(self) -> float:
        """For how long nothing new has been heard, at most since this began to listen."""
        now = self._clock()
        if now >= self._listen_at:
            self._listen_at = now + LISTEN_SECONDS
            if self._is_news():
                self._heard_at = now
        return now - self._heard_at

    def _is_news(self) -> bool:
        try:
            entries = read_entries(self._bus, self._decode, self._feed)
        except HubError:
            return True
        said = entries.get(STATE), entries.get(SUMMARY)
        is_news = said != self._said
        self._said = said
        return is_news
