"""What operators see of the connectors, and what they may ask of them; the same for HTTP and CLI."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.backfill import Backfill
from hub.bus.contract import Bus, Consumer
from hub.control import BACKFILL, STATE, ConnectorState, Control, Wish, backfills, wish_key, wish_of
from hub.errors import BadQueryError, HubError, TransientError
from hub.forces import Feed
from hub.positions import AGAIN, BACKFILL_AT, BACKFILL_ROWS, HELD, SUMMARY, newest_entries
from hub.positions import BACKFILL as PROGRESS
from hub.positions import STATE as DOES
from hub.schema.codec import Codec

UNASSIGNED = "UNASSIGNED"
"""Kafka Connect's word for a connector that no process runs."""

GONE_AFTER_SECONDS = 90
"""A connector that has said nothing for so long is run by no process: they write every five seconds."""

_WORSE = ("RUNNING", "PAUSED", "STOPPED", UNASSIGNED, "FAILED")
_PATIENCE_SECONDS = 30
_ACTS = {
    "pause": ConnectorState.PAUSED,
    "resume": ConnectorState.RUNNING,
    "stop": ConnectorState.STOPPED,
}
VERBS = (*_ACTS, "restart")
_NOT_TOLD = f"/{BACKFILL_ROWS}".encode()


@dataclass(frozen=True, slots=True)
class Status:
    """One connector: what it does beside what was asked of it. Times are in microseconds UTC.

    `heard_at` is when its process last wrote anything.
    """

    feed: Feed
    state: str
    asked: ConnectorState
    error: str
    since: int | None
    worker: str
    complete_to: int | None
    counts: Mapping[str, int]
    position: Mapping[str, Any]
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    progress: Mapping[str, Any] | None = None
    held: Mapping[str, int] | None = None
    again: bool = False
    heard_at: int | None = None

    @property
    def name(self) -> str:
        return f"{self.feed.force}.{self.feed.domain}"

    @property
    def runs(self) -> bool:
        """Whether a process may be publishing for this feed."""
        return self.state in {ConnectorState.RUNNING, ConnectorState.PAUSED, ConnectorState.FAILED}


def worst(states: Iterable[str]) -> str:
    """The worst of the states of a force's connectors."""
    return max(states, key=_WORSE.index, default=UNASSIGNED)


class Flow:
    """The connectors of these feeds. Safe to use from many threads; what it has read it keeps."""

    def __init__(
        self,
        bus: Bus,
        codec: Codec,
        feeds: Iterable[Feed],
        *,
        refuse_backfill: Callable[[Feed, Backfill], None] = lambda _feed, _asked: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`refuse_backfill` raises `BadQueryError` where a feed's kind of source has no use for one."""
        self._refuse_backfill = refuse_backfill
        self._bus = bus
        self._codec = codec
        self._clock = clock
        self._feeds = {f"{feed.force}.{feed.domain}": feed for feed in feeds}
        self._control = Control(bus, codec, clock=clock)
        self._newest: dict[str, dict[bytes | None, bytes | None]] = {}
        self._consumer: Consumer | None = None
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        return list(self._feeds)

    def feed(self, name: str) -> Feed | None:
        """The feed of a connector's name, `<force>.<domain>`."""
        return self._feeds.get(name)

    def status(self, feed: Feed) -> Status:
        return self.statuses([feed])[0]

    def statuses(self, feeds: Iterable[Feed]) -> list[Status]:
        """How these connectors are, as of this call."""
        with self._lock:
            self._catch_up()
            return [self._status(feed) for feed in feeds]

    def ask(self, feed: Feed, verb: str, *, by: str, reason: str = "") -> None:
        """Ask one of `VERBS`; it is kept over restarts, of the connector and of the hub.

        Raises `BadQueryError` where it makes no sense.
        """
        status = self.status(feed)
        restarts = 0 if (wish := status.wishes.get(STATE)) is None else int(wish.value.get("restarts", 0))
        if verb == "restart" and status.asked is ConnectorState.STOPPED:
            raise BadQueryError(f"{feed} is stopped; resume it instead.")
        state = _ACTS.get(verb, status.asked)
        value = {"state": state, "restarts": restarts + (verb == "restart")}
        self._control.ask(feed, STATE, value, by=by, reason=reason)

    def backfill(self, feed: Feed, asked: Backfill, *, by: str, reason: str) -> None:
        """Ask a connector to read something again.

        `BadQueryError` where one is under way, or nothing could come of it.
        """
        self._refuse_backfill(feed, asked)
        if backfills(self.status(feed).wishes):
            raise BadQueryError(f"{feed} has a backfill that is not done; wait for its end, or cancel it.")
        self._control.ask(feed, f"{BACKFILL}/{asked.id}", asked.as_value(), by=by, reason=reason)

    def cancel(self, feed: Feed) -> None:
        """End the backfill of a connector where it is; what it has published stays."""
        asked = backfills(self.status(feed).wishes)
        if not asked:
            raise BadQueryError(f"{feed} has no backfill to cancel.")
        self._control.withdraw(feed, *(wish.name for wish in asked))

    def close(self) -> None:
        with self._lock:
            self._let_go()

    def _catch_up(self) -> None:
        """Read everything there is by now that was not read before."""
        try:
            topics = sorted({t for f in self._feeds.values() for t in (f.positions_topic, f.control_topic)})
            consumer = self._consumer = self._consumer or self._bus.consumer(topics, group=None)
            ends = self._bus.end_offsets(topics)
            until = time.monotonic() + _PATIENCE_SECONDS
            while any(consumer.position(partition) < end for partition, end in ends.items()):
                if time.monotonic() > until:
                    raise TransientError(f"positions and wishes could not be read in {_PATIENCE_SECONDS} s.")
                for received in consumer.poll(timeout_seconds=0.2, max_records=5000):
                    if _NOT_TOLD not in (received.key or b""):
                        self._newest.setdefault(received.topic, {})[received.key] = received.value
        except HubError:
            self._let_go()
            raise

    def _let_go(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._newest.clear()
        if consumer is not None:
            consumer.close()

    def _status(self, feed: Feed) -> Status:
        decode = self._codec.decoder(feed.positions_topic)
        entries = newest_entries(self._newest.get(feed.positions_topic, {}), decode, feed)
        summary = entries.pop(SUMMARY, {})
        values = {name: json.loads(entry["value"]) for name, entry in entries.items()}
        does = values.get(DOES, {})
        wishes = self._wishes(feed)
        asked = wishes[STATE].value["state"] if STATE in wishes else ConnectorState.RUNNING
        return Status(
            feed=feed,
            state=self._state(does),
            asked=ConnectorState(asked),
            error=does.get("error", ""),
            since=does.get("since"),
            worker=does.get("worker", ""),
            complete_to=summary.get("complete_to"),
            counts=summary.get("counts", {}),
            position={name: value for name, value in values.items() if not name.startswith("!")},
            wishes=wishes,
            progress=_progress(values),
            held=values.get(HELD),
            again=AGAIN in values,
            heard_at=max(does.get("at", 0), summary.get("at", 0)) or None,
        )

    def _state(self, does: Mapping[str, Any]) -> str:
        """One that failed or was stopped stays so; one that ran is run by nobody once it is silent."""
        state = str(does.get("state", UNASSIGNED))
        silent = abs(self._clock() - does.get("at", 0) / 1_000_000) > GONE_AFTER_SECONDS
        lives = state in {ConnectorState.RUNNING, ConnectorState.PAUSED}
        return UNASSIGNED if lives and silent else state

    def _wishes(self, feed: Feed) -> dict[str, Wish]:
        decode = self._codec.decoder(feed.control_topic)
        prefix = wish_key(feed, "")
        return {
            key[len(prefix) :].decode(): wish_of(decode(value))
            for key, value in self._newest.get(feed.control_topic, {}).items()
            if key is not None and value is not None and key.startswith(prefix)
        }


def _progress(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """How far a backfill is, with the position of its own reading while it is under way."""
    told = values.get(PROGRESS)
    at = {n.removeprefix(BACKFILL_AT): value for n, value in values.items() if n.startswith(BACKFILL_AT)}
    return None if told is None else {**told, "position": at}
