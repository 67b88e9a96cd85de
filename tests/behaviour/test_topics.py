"""Every topic of the design is declared once; a bus that differs is told, and brought in line."""

from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hub.bus import open_bus, topics
from hub.bus.contract import TopicSpec
from hub.cli.topics import topics_app
from hub.errors import ConfigurationError
from hub.forces import Feed, Force, ForceCard

DAY = 86_400


def force(name: str, *domains: str) -> Force:
    card = ForceCard(name=name, title=name, code="33", area="E23000021")
    here = Path(name)
    feeds = {
        domain: Feed(name, domain, "command", here, here, {}, {}, shares_restricted=False)
        for domain in domains
    }
    return Force(card, here, feeds)


FORCES = {
    "leicestershire": force("leicestershire", "incident", "hr"),
    "lincolnshire": force("lincolnshire", "incident"),
}


@pytest.fixture
def bus(tmp_path: Path):
    bus = open_bus(f"embedded://{tmp_path}/bus.db")
    yield bus
    bus.close()


def test_every_topic_of_the_design_is_declared():
    declared = {spec.name: spec for spec in topics.specs(FORCES)}
    assert declared.keys() == {
        "leicestershire.positions.v1",
        "leicestershire.control.v1",
        "leicestershire.incident.v1",
        "leicestershire.incident.v1.dlq",
        "leicestershire.hr.v1",
        "leicestershire.hr.v1.dlq",
        "lincolnshire.positions.v1",
        "lincolnshire.control.v1",
        "lincolnshire.incident.v1",
        "lincolnshire.incident.v1.dlq",
        "alliance.incident.v1",
        "alliance.incident.v1.dlq",
        "alliance.hr.v1",
        "alliance.hr.v1.dlq",
        "hub.mapping.v1",
        "hub.dead-letters.v1",
        "hub.audit.v1",
    }
    state = {name for name, spec in declared.items() if spec.cleanup == "compact"}
    assert state == declared.keys() - {"hub.audit.v1"}
    assert {name for name, spec in declared.items() if spec.partitions == 6} == {
        name for name in declared if name.endswith((".incident.v1", ".hr.v1"))
    }
    assert {spec.partitions for spec in declared.values()} == {1, 6}
    assert [name for name, spec in declared.items() if spec.retention_seconds is not None] == ["hub.audit.v1"]
    assert declared["hub.audit.v1"].retention_seconds == 400 * DAY


def test_what_depends_on_the_place_is_set_from_outside():
    declared = {
        spec.name: spec
        for spec in topics.specs(FORCES, partitions=12, replication=3, audit_retention_days=30)
    }
    assert declared["alliance.incident.v1"].partitions == 12
    assert declared["hub.audit.v1"].partitions == 1
    assert declared["hub.audit.v1"].retention_seconds == 30 * DAY
    assert {(spec.replication, spec.min_insync) for spec in declared.values()} == {(3, 2)}


def test_one_replica_is_enough_where_there_are_one_or_two():
    assert {spec.min_insync for n in (1, 2) for spec in topics.specs(FORCES, replication=n)} == {1}


def test_applying_makes_what_is_missing_once(bus):
    declared = topics.specs(FORCES)
    assert len(topics.check(bus, declared)) == len(declared)
    assert "'hub.audit.v1' is missing; `alliance-hub topics apply`" in topics.check(bus, declared)[-1]
    assert topics.apply(bus, declared) == [spec.name for spec in declared]
    assert topics.apply(bus, declared) == []
    assert topics.check(bus, declared) == []
    topics.refuse_differences(bus, declared)


DECLARED = TopicSpec("t", 6, "compact")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (replace(DECLARED, partitions=3), ["3 partitions, declared are 6", "would part a key's records"]),
        (
            replace(DECLARED, cleanup="delete"),
            ["cleanup.policy is delete, declared is compact", "topics apply"],
        ),
        (replace(DECLARED, retention_seconds=5), ["retention in seconds is 5, declared is for ever"]),
        (replace(DECLARED, compaction_lag_seconds=5), ["compaction lag in seconds is 5, declared is 604800"]),
        (replace(DECLARED, tombstone_seconds=5), ["tombstone retention in seconds is 5"]),
    ],
)
def test_a_difference_is_told_with_its_remedy_and_stops_a_start(bus, found: TopicSpec, words: list[str]):
    bus.create_topics([found])
    assert topics.apply(bus, [DECLARED]) == []
    problems = topics.check(bus, [DECLARED])
    for word in words:
        assert any(word in problem for problem in problems)
    with pytest.raises(ConfigurationError, match="topic 't'"):
        topics.refuse_differences(bus, [DECLARED])


def test_a_difference_without_effect_is_none(bus):
    spec = TopicSpec("t", 1, "delete")
    bus.create_topics([replace(spec, compaction_lag_seconds=1, tombstone_seconds=1)])
    assert topics.check(bus, [spec]) == []
    assert topics.align(bus, [spec]) == []


def test_replicas_that_differ_are_told(bus):
    bus.create_topics([DECLARED])
    (replicas, insync) = topics.check(bus, [replace(DECLARED, replication=3, min_insync=2)])
    assert "1 replicas, declared are 3" in replicas
    assert "min.insync.replicas is 1, declared is 2" in insync


def test_aligning_sets_what_may_be_set(bus):
    bus.create_topics([replace(DECLARED, tombstone_seconds=5, partitions=3)])
    assert topics.align(bus, [DECLARED]) == ["t"]
    (problem,) = topics.check(bus, [DECLARED])
    assert "3 partitions" in problem


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs `topics …` on a bus of its own, and gives exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.add_typer(topics_app(lambda settings: (open_bus(settings.bus), topics.specs(FORCES))), name="topics")

    def invoke(*words: str):
        return CliRunner().invoke(app, ["topics", *words, "--bus", f"embedded://{tmp_path}/bus.db"])

    return invoke


def test_the_command_checks_applies_and_checks_again(run):
    before = run("check")
    assert before.exit_code == 2
    assert "topic 'alliance.incident.v1' is missing" in before.output
    applied = run("apply")
    assert applied.exit_code == 0
    assert "made leicestershire.incident.v1\n" in applied.output
    again = run("apply")
    assert again.output == "17 topics are as declared\n"
    assert run("check").exit_code == 0


def test_the_command_sets_retention_and_refuses_another_count_of_partitions(run, tmp_path: Path):
    bus = open_bus(f"embedded://{tmp_path}/bus.db")
    bus.create_topics(
        [TopicSpec("hub.audit.v1", 1, "delete"), TopicSpec("alliance.incident.v1", 2, "compact")]
    )
    bus.close()
    applied = run("apply")
    assert applied.exit_code == 2
    assert "set hub.audit.v1 as declared\n" in applied.output
    assert "2 partitions, declared are 6" in applied.output
    assert run("check").output.count("topic '") == 1
