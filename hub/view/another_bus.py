"""Refuses a store that was filled from another bus: what comes there would be taken for read, and skipped."""

from collections.abc import Mapping

from hub.bus.contract import TopicPartition
from hub.errors import ConfigurationError
from hub.view.session import Kept


def refuse_offsets_beyond(kept: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> None:
    """Before anything is read: a Kafka asked for what lies beyond an end begins at the beginning."""
    for partition, offset in kept.items():
        if offset > ends[partition]:
            raise _refusal(partition, offset, f"on this bus it ends at {ends[partition]}")


def refuse_other_topics(kept: Mapping[TopicPartition, Kept], topic_ids: Mapping[str, str]) -> None:
    """A topic made anew may have outgrown the offsets kept of the one before it."""
    for partition, (offset, _, topic_id) in kept.items():
        there = topic_ids.get(partition.topic, topic_id)
        if there != topic_id:
            raise _refusal(
                partition, offset, f"that was topic {topic_id}, and the one of that name here is {there}"
            )


def _refusal(partition: TopicPartition, offset: int, but: str) -> ConfigurationError:
    return ConfigurationError(
        f"The store has taken {partition.topic}-{partition.partition} up to offset {offset}, but {but}: the "
        "store belongs to another bus, or this bus was made anew, or restored from an older backup, and "
        "gives out versions a second time. Name the store's own bus, or start on an empty store."
    )
