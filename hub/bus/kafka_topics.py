"""A topic's declaration in Kafka's words, and back."""

from collections.abc import Mapping, Sequence
from typing import Any

from hub.bus.contract import RECORD_LIMIT_BYTES, TopicSpec

_TOPIC_LIMIT_BYTES = RECORD_LIMIT_BYTES + 1024 * 1024
_FOR_EVER = "-1"
_LONGEST = 2**63 - 1


def creation(spec: TopicSpec) -> dict[str, Any]:
    """What a new topic is made with."""
    limits = {
        "max.message.bytes": str(_TOPIC_LIMIT_BYTES),
        # Else a source whose clock is ahead by an hour could send nothing.
        "message.timestamp.after.max.ms": str(_LONGEST),
    }
    return {
        "num_partitions": spec.partitions,
        "replication_factor": spec.replication,
        "configs": settings(spec) | limits,
    }


def settings(spec: TopicSpec) -> dict[str, str]:
    """What of it can be altered later."""
    kept_for = spec.retention_seconds
    return {
        "cleanup.policy": spec.cleanup,
        "retention.ms": _FOR_EVER if kept_for is None else str(kept_for * 1000),
        "min.compaction.lag.ms": str(spec.compaction_lag_seconds * 1000),
        "delete.retention.ms": str(spec.tombstone_seconds * 1000),
        "min.insync.replicas": str(spec.min_insync),
    }


def spec_of(name: str, partitions: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> TopicSpec:
    """A topic as Kafka describes it."""
    kept_ms = int(found["retention.ms"]["value"])
    cleanup = found["cleanup.policy"]["value"]
    return TopicSpec(
        name=name,
        partitions=len(partitions),
        cleanup=cleanup,
        retention_seconds=None if kept_ms < 0 or cleanup == "compact" else kept_ms // 1000,
        replication=min(len(p["replica_nodes"]) for p in partitions),
        min_insync=int(found["min.insync.replicas"]["value"]),
        compaction_lag_seconds=int(found["min.compaction.lag.ms"]["value"]) // 1000,
        tombstone_seconds=int(found["delete.retention.ms"]["value"]) // 1000,
    )
