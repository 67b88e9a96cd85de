"""What a connector does, told to everyone: the entry `!state` of its positions, metrics, health."""

import json
import os
import socket
import time
from collections.abc import Callable

from connectors.positions import encode_entry
from hub.bus.contract import Producer
from hub.control import ConnectorState
from hub.flow import UNASSIGNED
from hub.forces import Feed
from hub.metrics import Metrics
from hub.positions import STATE, entry_key
from hub.schema.codec import Codec

HEARTBEAT_SECONDS = 5
"""How often a state that stays is written again: an old one tells of a process that has gone."""

Tell = Callable[[ConnectorState, str], None]
"""Takes a new state, and the error that a person should see."""


def _nobody(state: ConnectorState, error: str) -> None:
    """Tell no one besides."""


class States:
    """The state of one connector, kept over its restarts within a process."""

    def __init__(
        self,
        feed: Feed,
        codec: Codec,
        metrics: Metrics,
        *,
        tell: Tell = _nobody,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._feed = feed
        self._encode = codec.encoder(feed.positions_topic)
        self._metrics = metrics
        self._tell = tell
        self._clock = clock
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._written_at: int | None = None
        self._since = 0
        self._error = ""
        self.state: ConnectorState | None = None

    def now(self, producer: Producer, state: ConnectorState, error: str = "") -> None:
        """Tell what the connector does, `error` with what a person should know of it.

        It is written in a transaction of its own, so none may be open, and at once only where
        it is news.
        """
        at = int(self._clock() * 1_000_000)
        self.here(state, error)
        if self._written_at is None or not 0 <= at - self._written_at < HEARTBEAT_SECONDS * 1_000_000:
            self._write(producer, at, state, self._since)

    def farewell(self, producer: Producer) -> None:
        """Tell, as the last word of a process, that it no longer runs the connector."""
        at = int(self._clock() * 1_000_000)
        self._write(producer, at, UNASSIGNED, at)

    def trouble(self, producer: Producer, error: str) -> None:
        """Tell of what may mend by itself; a connector that had failed has still failed."""
        self.now(producer, self.state or ConnectorState.RUNNING, error)

    def here(self, state: ConnectorState, error: str = "") -> None:
        """Tell within this process only, where the bus cannot be told."""
        if state is not self.state:
            self._since = int(self._clock() * 1_000_000)
        if state is not self.state or error != self._error:
            self._written_at = None
            self._tell(state, error)
        self.state, self._error = state, error
        for each in ConnectorState:
            self._metrics.connector_state.labels(self._feed.force, self._feed.domain, each).set(each is state)
        failed = state is ConnectorState.FAILED
        self._metrics.stopped.labels("read", self._feed.force, self._feed.domain).set(failed)

    def _write(self, producer: Producer, at: int, state: str, since: int) -> None:
        value = {
            "state": state,
            "error": self._error,
            "since": since,
            "at": at,
            "worker": self._worker,
        }
        producer.begin()
        producer.send(
            self._feed.positions_topic,
            entry_key(self._feed, STATE),
            encode_entry(self._encode, self._feed, STATE, json.dumps(value), at),
        )
        producer.commit()
        self._written_at = at
