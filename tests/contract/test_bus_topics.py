"""What both buses promise of topics: made once, described as declared, and kept as declared."""

from dataclasses import replace

from hub.bus.contract import TopicSpec
from hub.bus.topics import check
from tests.contract.places import Place, send, shows


def test_a_topic_is_described_as_it_was_declared(place: Place):
    bus = place.open()
    declared = [
        TopicSpec(place.name("state"), 3, "compact", compaction_lag_seconds=60, tombstone_seconds=120),
        TopicSpec(place.name("letters"), 1, "delete"),
        TopicSpec(place.name("audit"), 2, "delete", retention_seconds=400 * 86_400),
    ]
    bus.create_topics(declared)
    assert check(place.open(), declared) == []
    described = place.open().describe_topics()
    for spec in declared:
        found = described[spec.name]
        assert (found.partitions, found.cleanup, found.replication) == (spec.partitions, spec.cleanup, 1)
        assert found.retention_seconds == spec.retention_seconds


def test_making_a_topic_twice_changes_nothing(place: Place):
    bus = place.open()
    spec = TopicSpec(place.name("state"), 2, "compact")
    bus.create_topics([spec])
    send(bus, spec.name, [b"kept"])
    bus.create_topics(
        [replace(spec, partitions=5, cleanup="delete"), TopicSpec(place.name("new"), 1, "delete")]
    )
    assert check(bus, [spec]) == []
    assert shows(bus, spec.name, b"kept")


def test_altering_a_topic_sets_its_times_and_never_its_partitions(place: Place):
    bus = place.open()
    spec = TopicSpec(place.name("audit"), 2, "delete", retention_seconds=86_400)
    bus.create_topics([spec])
    bus.alter_topics([replace(spec, partitions=3, retention_seconds=2 * 86_400)])
    described = place.open().describe_topics()[spec.name]
    assert (described.partitions, described.retention_seconds) == (2, 2 * 86_400)
    bus.alter_topics([replace(spec, cleanup="compact", retention_seconds=None)])
    assert check(bus, [replace(spec, cleanup="compact", retention_seconds=None)]) == []


def test_a_topic_has_an_id_that_stays_its_own(place: Place):
    bus = place.open()
    names = [place.topic(bus), place.topic(bus)]
    ids = bus.topic_ids([*names, place.name("none")])
    assert ids.keys() == set(names)
    assert place.open().topic_ids(names) == ids
