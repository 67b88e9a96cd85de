"""What is planned for whom, and how a broker's own lists are compared with it; without a broker."""

import pytest

from hub.acl.compare import differences
from hub.acl.entry import Entry, Kind
from hub.acl.plan import commands, entries, plan
from hub.acl.rights import processes, touched_topics
from hub.bus.topics import specs
from hub.errors import ConfigurationError
from tests.legacy import builtin_forces

FORCES = builtin_forces()


def may(process: str, operation: str) -> set[str]:
    """The declared topics on which a process may do it."""
    rights = [right for right in processes(FORCES)[process] if operation in right.operations]
    return {s.name for s in specs(FORCES) if any(right.covers(Kind.TOPIC, s.name) for right in rights)}


def test_who_may_write_what():
    dead_letters = {"alliance.incident.v1.dlq", "alliance.hr.v1.dlq"}
    assert may("view", "Write") == dead_letters
    assert all(topic.startswith("leicestershire.") for topic in may("connect.leicestershire", "Write"))
    assert may("topics", "Write") == may("consumer", "Write") == set()
    assert may("consumer", "Read") == {"alliance.incident.v1", "alliance.hr.v1"}
    assert not any("positions" in topic for topic in touched_topics("normalise", FORCES))


def test_principals_can_be_named_and_one_of_no_process_is_refused():
    named = {"view": "User:CN=view,O=Police", "consumer": ("User:CN=room,O=Police", "User:analytics")}
    who = [(each.process, each.principal) for each in plan(FORCES, named)]
    assert ("view", "User:CN=view,O=Police") in who
    assert ("normalise", "User:hub-normalise") in who
    groups = {e.principal: e.name for e in entries(plan(FORCES, named)) if e.name in {"room.", "analytics."}}
    assert groups == {"User:CN=room,O=Police": "room.", "User:analytics": "analytics."}
    with pytest.raises(
        ConfigurationError, match=r"(?s)'viewer' is no process.*not in Kafka's form.*own names"
    ):
        plan(FORCES, {"viewer": "User:x", "serve": "server", "consumer": "User:hub"})


def test_commands_are_few_and_safe_to_paste():
    alike = [
        Entry("User:CN=a b", Kind.TOPIC, name, word) for name in ("x", "y") for word in ("Read", "Write")
    ]
    assert commands("tool", [*alike, Entry("User:o", Kind.CLUSTER, "kafka-cluster", "Describe")]) == [
        "tool --add --allow-principal 'User:CN=a b' --operation Read --operation Write --topic x --topic y",
        "tool --add --allow-principal User:o --operation Describe --cluster",
    ]


def test_a_difference_counts_where_it_is_about_us_or_what_is_ours():
    planned = plan(FORCES, {})
    wanted = entries(planned)
    stranger = Entry("User:stranger", Kind.TOPIC, "weather", "Read")
    assert differences(planned, [*wanted, stranger], FORCES, "tool") == []
    for beyond in (
        Entry("User:hub-view", Kind.TOPIC, "weather", "Read"),
        Entry("User:stranger", Kind.TOPIC, "*", "Read"),
        Entry("User:*", Kind.TOPIC, "all", "Describe", prefixed=True),
        Entry("User:stranger", Kind.TRANSACTIONAL_ID, "hub.", "Write", prefixed=True, host="10.0.0.1"),
    ):
        [told] = differences(planned, [*wanted[1:], beyond], FORCES, "tool")[1:]
        assert told.startswith(f"too wide: {beyond}. tool --remove --force --allow-principal ")
    [missing] = differences(planned, wanted[1:], FORCES, "tool")
    assert missing.startswith(f"missing: {wanted[0]}. tool --add ")
