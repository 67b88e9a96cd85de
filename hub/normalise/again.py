"""Normalising again: a mended mapping reaches records that were mapped before it."""

from collections.abc import Iterable
from dataclasses import replace

from hub.bus.contract import Bus, Offset, TopicPartition
from hub.forces import Feed
from hub.normalise.counts import read_counts
from hub.normalise.loop import GROUP


def normalise_again(bus: Bus, feeds: Iterable[Feed]) -> dict[str, int]:
    """Set the stopped normaliser back to the beginning of these feeds; tell how far each goes back.

    At its next start it maps every event anew. Records whose mapping `version` was raised
    replace what was there, once; the others change nothing (invariant 3). `FatalError` while
    a normaliser runs.
    """
    kept = bus.group_offsets(GROUP, [feed.topic for feed in feeds])
    bus.reset_group(GROUP, {partition: _from_start(offset) for partition, offset in kept.items()})
    return {topic: _total(topic, kept) for topic in sorted({partition.topic for partition in kept})}


def _from_start(kept: Offset) -> Offset:
    counts = read_counts(kept)
    return Offset(0, replace(counts, counted_to=max(kept.offset, counts.counted_to)).text)


def _total(topic: str, kept: dict[TopicPartition, Offset]) -> int:
    return sum(offset.offset for partition, offset in kept.items() if partition.topic == topic)
