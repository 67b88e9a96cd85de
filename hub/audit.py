"""The audit log `hub.audit.v1`: who did what to which records, when and why.

Data Protection Act 2018, section 62: consultation and disclosure are logged with time and person.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from hub.bus.contract import Bus
from hub.bus.topics import AUDIT_TOPIC
from hub.errors import FatalError, HubError
from hub.events import CONTENT_TYPE
from hub.metrics import Metrics
from hub.schema.codec import Codec


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. `query` says what was asked, without personal values; `at` is in microseconds UTC."""

    verb: str
    principal: str
    principal_force: str = ""
    domain: str = ""
    records: Sequence[str] = ()
    query: str = ""
    justification: str = ""
    recipient: str = ""


class AuditLog:
    """Writes entries, many at once where many wait. Safe to use from any thread."""

    def __init__(
        self,
        bus: Bus,
        codec: Codec,
        instance: str,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._producer = bus.producer(f"hub.audit.{instance}")
        self._encode = codec.encoder(AUDIT_TOPIC)
        self._clock = clock
        self._written, self._failed = (metrics.audit_entries.labels(o) for o in ("written", "failed"))
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)
        self._thread.start()

    def write(self, entry: Entry) -> None:
        """Return once the entry is durable (invariant 8); what it tells of may be answered only then.

        Raises the bus's error where it could not be written: then nothing may be shown.
        """
        waiting = _Waiting(self._value(entry))
        self._waiting.put(waiting)
        if not waiting.done.wait(30):
            self._failed.inc()
            raise FatalError("The audit log did not take an entry within 30 s; see the state of the bus.")
        if waiting.error is not None:
            self._failed.inc()
            raise waiting.error
        self._written.inc()

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join(10)
        self._producer.close()

    def _value(self, entry: Entry) -> bytes:
        record: dict[str, Any] = {**asdict(entry), "records": list(entry.records)}
        return self._encode({**record, "at": int(self._clock() * 1_000_000)})

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            ended = False
            while not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    ended = True
                    break
                batch.append(following)
            self._send(batch)
            if ended:
                return

    def _send(self, batch: list["_Waiting"]) -> None:
        """Whatever becomes of the entries, whoever waits for them is told, and the thread lives on."""
        error: HubError | None = None
        try:
            self._producer.begin()
            for waiting in batch:
                self._producer.send(AUDIT_TOPIC, None, waiting.value, [("content-type", CONTENT_TYPE)])
            self._producer.commit()
        except Exception as failure:  # noqa: BLE001 handed to those who wait
            error = failure if isinstance(failure, HubError) else _defect(failure)
            with suppress(HubError):
                self._producer.abort()
        for waiting in batch:
            waiting.error = error
            waiting.done.set()


def _defect(failure: Exception) -> FatalError:
    return FatalError(f"The audit log failed ({type(failure).__name__}): a defect of the hub; report it.")


class _Waiting:
    """An entry on its way, and what became of it."""

    __slots__ = ("done", "error", "value")

    def __init__(self, value: bytes) -> None:
        self.value = value
        self.done = threading.Event()
        self.error: HubError | None = None
