"""Every topic of the hub in one table, and how a bus is compared with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from hub.bus.contract import DAY_SECONDS, Bus, TopicSpec
from hub.domains import DOMAINS
from hub.errors import ConfigurationError
from hub.forces import Force

PARTITIONS = 6
AUDIT_RETENTION_DAYS = 400
"""Who looked and why: a year, and a month to look into it. Change it as the forces' policy asks."""

AUDIT_TOPIC = "hub.audit.v1"
MAPPING_TOPIC = "hub.mapping.v1"
CASES_TOPIC = "hub.dead-letters.v1"
"""What has become of each dead letter."""


class _Row(NamedTuple):
    """`partitions` None: as many as asked for. Cleanup "delete" without an age: never by age."""

    topic: str
    partitions: int | None
    cleanup: Literal["compact", "delete"]


# Compacted topics hold state: the newest record of each key, for ever. A dead letter's key is its own,
# so that it stays until it is resolved and then taken away by a tombstone.
_OF_EACH_FORCE = (
    _Row("{force}.positions.v1", 1, "compact"),
    _Row("{force}.control.v1", 1, "compact"),
)
_OF_EACH_FEED = (
    _Row("{force}.{domain}.v1", None, "compact"),
    _Row("{force}.{domain}.v1.dlq", 1, "compact"),
)
_OF_EACH_DOMAIN = (
    _Row("alliance.{domain}.v1", None, "compact"),
    _Row("alliance.{domain}.v1.dlq", 1, "compact"),
)
_OF_THE_HUB = (
    _Row(MAPPING_TOPIC, 1, "compact"),
    _Row(CASES_TOPIC, 1, "compact"),
    _Row(AUDIT_TOPIC, 1, "delete"),
)


def specs(
    forces: Mapping[str, Force],
    *,
    partitions: int = PARTITIONS,
    replication: int = 1,
    audit_retention_days: int = AUDIT_RETENTION_DAYS,
) -> list[TopicSpec]:
    """Declare every topic of these forces and of the alliance.

    With three or more replicas one may be down: `min.insync.replicas` is one less, and with
    two or one, where waiting for all would stop at the first fault, it is one.
    """
    ages = {AUDIT_TOPIC: audit_retention_days * DAY_SECONDS}
    return [
        TopicSpec(
            name=name,
            partitions=row.partitions or partitions,
            cleanup=row.cleanup,
            retention_seconds=ages.get(name),
            replication=replication,
            min_insync=max(1, replication - 1) if replication > 2 else 1,
        )
        for name, row in _named(forces)
    ]


def apply(bus: Bus, declared: Sequence[TopicSpec]) -> list[str]:
    """Make the missing topics, leave the others as they are; return the names made."""
    there = bus.describe_topics()
    missing = [spec for spec in declared if spec.name not in there]
    if missing:
        bus.create_topics(missing)
    return [spec.name for spec in missing]


def align(bus: Bus, declared: Sequence[TopicSpec]) -> list[str]:
    """Give present topics the declared cleanup, times and in-sync replicas; return the names changed."""
    there = bus.describe_topics()
    changed = [
        spec for spec in declared if spec.name in there and _settings(spec) != _settings(there[spec.name])
    ]
    if changed:
        bus.alter_topics(changed)
    return [spec.name for spec in changed]


def check(bus: Bus, declared: Sequence[TopicSpec]) -> list[str]:
    """Compare the topics of a bus with their declaration: each difference in words, with its remedy."""
    return differences(bus.describe_topics(), declared)


def differences(there: Mapping[str, TopicSpec], declared: Sequence[TopicSpec]) -> list[str]:
    """The same of topics that were described before."""
    return [problem for spec in declared for problem in _differences(spec, there.get(spec.name))]


def _named(forces: Mapping[str, Force]) -> Iterable[tuple[str, _Row]]:
    for force in forces.values():
        for row in _OF_EACH_FORCE:
            yield row.topic.format(force=force.name), row
        for domain in force.feeds:
            for row in _OF_EACH_FEED:
                yield row.topic.format(force=force.name, domain=domain), row
    for domain in DOMAINS:
        for row in _OF_EACH_DOMAIN:
            yield row.topic.format(domain=domain), row
    for row in _OF_THE_HUB:
        yield row.topic, row


def _settings(spec: TopicSpec) -> TopicSpec:
    """What can be altered of a topic, and has an effect: compaction's times have none without it."""
    altered = replace(spec, partitions=0, replication=0)
    if spec.cleanup == "compact":
        return altered
    return replace(altered, compaction_lag_seconds=0, tombstone_seconds=0)


_SETTINGS = {
    "cleanup": "cleanup.policy",
    "retention_seconds": "retention in seconds",
    "min_insync": "min.insync.replicas",
    "compaction_lag_seconds": "compaction lag in seconds",
    "tombstone_seconds": "tombstone retention in seconds",
}


def _differences(spec: TopicSpec, found: TopicSpec | None) -> Iterable[str]:
    if found is None:
        yield f"topic '{spec.name}' is missing; `alliance-hub topics apply` makes it."
        return
    if found.partitions != spec.partitions:
        yield (
            f"topic '{spec.name}' has {found.partitions} partitions, declared are {spec.partitions}; "
            f"declare {found.partitions}, or make the topic anew: more partitions would part a key's records."
        )
    if found.replication != spec.replication:
        yield (
            f"topic '{spec.name}' has {found.replication} replicas, declared are {spec.replication}; "
            "reassign its partitions with Kafka's own tool, or declare what there is."
        )
    want, have = _settings(spec), _settings(found)
    for field, words in _SETTINGS.items():
        if (wanted := getattr(want, field)) != (is_ := getattr(have, field)):
            yield (
                f"topic '{spec.name}': {words} is {_word(is_)}, declared is {_word(wanted)}; "
                "`alliance-hub topics apply` sets it as declared."
            )


def _word(value: object) -> str:
    return "for ever" if value is None else str(value)


def refuse_differences(bus: Bus, declared: Sequence[TopicSpec]) -> None:
    """Stop a start on a bus whose topics are not as declared."""
    if problems := check(bus, declared):
        raise ConfigurationError("\n".join(problems))
