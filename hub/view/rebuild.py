"""Makes the current tables anew from the bus."""

import threading
from collections.abc import Mapping

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from hub.bus.contract import Bus, Offset, TopicPartition
from hub.errors import TransientError
from hub.forces import Force
from hub.metrics import Metrics
from hub.schema.codec import Codec
from hub.view.intake import Erased
from hub.view.loop import GROUP, TOPICS, View
from hub.view.store import Store

_patiently = Retrying(
    retry=retry_if_exception_type(TransientError),
    wait=wait_exponential_jitter(multiplier=0.1, max=2, jitter=0.1),
    stop=stop_after_delay(30),
    reraise=True,
)


def rebuild(
    bus: Bus,
    store: Store,
    codec: Codec,
    forces: Mapping[str, Force],
    metrics: Metrics,
    *,
    stop: threading.Event | None = None,
) -> int:
    """Empty the current tables, replay the alliance topics to their present ends, and count the records.

    History stays, change numbers go on upwards, and what was counted before is not counted
    again. What was erased does not come back, not even until the order to erase it is read.
    `FatalError` while a view runs. Stopped early, it is finished by the next view or the next
    rebuild.
    """
    ends = _patiently(bus.end_offsets, TOPICS)
    _patiently(bus.reset_group, GROUP, dict.fromkeys(ends, Offset(0)))
    erased = _patiently(_erased, bus)
    _patiently(store.empty)
    view = View(bus, store, codec, forces, metrics, instance="rebuild", erased=erased)

    def whole() -> bool:
        reached = view.reached()
        return all(reached.get(partition, 0) >= end for partition, end in ends.items())

    view.run(stop or threading.Event(), done=whole)
    return view.taken


def _erased(bus: Bus) -> Erased:
    """Look through the topics once before: where the last order to erase each record lies."""
    return {
        (TopicPartition(received.topic, received.partition), received.key): received.offset
        for topic in TOPICS
        for received in bus.read_all(topic)
        if received.value is None
    }
