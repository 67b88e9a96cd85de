"""Makes the current tables anew from the bus."""

import threading
from collections.abc import Mapping

from hub.bus.contract import Bus, Offset
from hub.forces import Force
from hub.metrics import Metrics
from hub.schema.codec import Codec
from hub.view.loop import GROUP, TOPICS, View
from hub.view.store import Store


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
    again. `FatalError` while a view runs. Stopped early, it is finished by the next view or the
    next rebuild.
    """
    ends = bus.end_offsets(TOPICS)
    bus.reset_group(GROUP, dict.fromkeys(ends, Offset(0)))
    store.empty()
    view = View(bus, store, codec, forces, metrics, instance="rebuild")

    def whole() -> bool:
        reached = view.reached()
        return all(reached.get(partition, 0) >= end for partition, end in ends.items())

    view.run(stop or threading.Event(), done=whole)
    return view.taken
