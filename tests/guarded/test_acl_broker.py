"""The planned access lists on a broker that asks: everything works with them, and nothing beyond them."""

import json
import urllib.request
from contextlib import ExitStack, closing

import pytest
from kafka import KafkaConsumer  # noqa: TID251  # an ordinary client beside the hub
from typer.testing import CliRunner

from connectors.standins.legacy import LegacySystems
from hub.bus import open_bus
from hub.bus.kafka_connect import connect
from hub.bus.kafka_url import parse_kafka_url
from hub.cli.app import app
from hub.cli.process import Process, start_server
from hub.config import Settings, SourceSettings
from hub.errors import ConfigurationError
from hub.view.query import Query
from tests.comparison import assert_view_is_true
from tests.guarded.acl_tool import run_acl_commands
from tests.guarded.broker import guarded_in
from tests.legacy import builtin_forces
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.long, pytest.mark.timeout(900)]

LEICS, NORTHANTS, NORMALISE, VIEW = (
    f"hub-{process}"
    for process in ("connect-leicestershire", "connect-northamptonshire", "normalise", "view")
)
ALLIANCE = {"alliance.incident.v1", "alliance.hr.v1"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A broker with the planned rights, set by Kafka's own tool, and with every topic, made with them."""
    with guarded_in(tmp_path_factory.mktemp("acl")) as broker:
        run_acl_commands(hub(broker, "admin", "acl", "plan").splitlines())
        hub(broker, "hub-topics", "topics", "apply")
        yield broker


def hub(guarded, user: str, *command: str, fails: int = 0) -> str:
    """Run a command of the hub as a user, who comes in by certificate; what it printed."""
    _, tool_settings = guarded.tool_settings()
    options = ["--bus", guarded.certificate_url(user)]
    if command[0] == "acl":
        options += ["--command-config", str(tool_settings)]
    done = CliRunner().invoke(app, [*command, *options])
    assert done.exit_code == fails, done.output
    return done.stderr if fails else done.stdout


class Running:
    """The hub as a process each, every one of them who it should be, and no process with two ways in."""

    def __init__(self, guarded, legacy, folder) -> None:
        self.open = ExitStack()
        by_password, by_certificate = guarded.password_url, guarded.certificate_url
        for force, locations in legacy.locations().items():
            sources = {force: {d: SourceSettings(location=w, secret_file=None) for d, w in locations.items()}}
            connector = self._process(
                f"connect.{force}", by_certificate(f"hub-connect-{force}"), folder / force, sources=sources
            )
            connector.start(connector.connectors(connector.parts.feeds(force)), port=0)
        normaliser = self._process("normalise", by_password(NORMALISE), folder / "normalise")
        normaliser.start({"normalise": normaliser.parts.normaliser()}, port=0)
        self.view = self._process("view", by_certificate(VIEW), folder / "view")
        self.view.start({"view": self.view.parts.view()}, port=0)
        self.server = self._process("serve", by_password("hub-serve"), folder / "view")
        start_server(self.server)

    def _process(self, name, url, state, **settings) -> Process:
        process = Process(Settings(state=state, port=0, bus=url, **settings))
        process.check_topics(name)
        self.open.callback(lambda: self._stop(name, process))
        return process

    def _stop(self, name, process) -> None:
        failures = process.health.failures()
        assert (process.stop(), failures) == (0, {}), name


def test_with_the_planned_rights_alone_the_whole_hub_works(guarded, tmp_path):
    with closing(
        LegacySystems(tmp_path, builtin_forces(), staff_scale=0.01, drop_seconds=0.1, extract_seconds=0.5)
    ) as legacy:
        for force in legacy.locations():
            for _ in range(5):
                legacy.raise_incident(force, legacy.clock(), legacy.clock().date())
        legacy.finish()
        running = Running(guarded, legacy, tmp_path / "state")
        with running.open:
            store, codec = running.view.parts.store, running.view.parts.codec
            wait_until(lambda: len(store.fresh()) == len(running.view.parts.feeds()))
            wait_until(lambda: visible(store, codec) == len(legacy.truth()))
            assert_view_is_true(Query(store, codec), legacy)
            dead_letters_are_kept_and_resolved(guarded)
            connectors_are_asked(guarded, running.server.address)


def visible(store, codec) -> int:
    return sum(n["visible"] for of in Query(store, codec).counts().values() for n in of.values())


def dead_letters_are_kept_and_resolved(guarded) -> None:
    """One that the normaliser sets aside, and one that the view does."""
    for user, topic in ((LEICS, "leicestershire.incident.v1"), ("admin", "alliance.incident.v1")):
        write(guarded, user, f"{topic.partition('.')[0]}.test", topic)
    wait_until(lambda: len(junk(guarded)) == 2)
    hub(guarded, "hub-operator", "dlq", "discard", "--all", "--reason", "of a test")
    wait_until(lambda: not junk(guarded))


def junk(guarded) -> set[str]:
    """The topics of the dead letters about incidents that are open."""
    listed = json.loads(hub(guarded, "hub-operator", "dlq", "list", "--json"))["letters"]
    topics = {each["id"].partition("/")[0] for each in listed if each["state"] == "open"}
    return topics & {"leicestershire.incident.v1.dlq", "alliance.incident.v1.dlq"}


def connectors_are_asked(guarded, address: str) -> None:
    one = "connectors/leicestershire.incident"
    ask("PUT", f"{address}/{one}/pause")
    wait_until(lambda: ask("GET", f"{address}/{one}/status")["connector"]["state"] == "PAUSED")
    hub(guarded, "hub-operator", "connectors", "resume", "leicestershire", "--reason", "a test")
    wait_until(lambda: ask("GET", f"{address}/{one}/status")["connector"]["state"] == "RUNNING")
    assert ask("GET", f"{address}/incidents")["records"]
    assert "leicestershire" in hub(guarded, "hub-operator", "positions", "show")


def ask(method: str, url: str):
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60) as answer:
        body = answer.read()
    return json.loads(body) if body else None


def write(guarded, user: str, transactional_id: str, topic: str) -> None:
    with closing(open_bus(guarded.certificate_url(user))) as bus:
        producer = bus.producer(transactional_id)
        producer.begin()
        producer.send(topic, b"junk", b"junk", partition=0)
        producer.commit()


def read(guarded, user: str, topic: str) -> None:
    with closing(open_bus(guarded.certificate_url(user))) as bus:
        list(bus.read_all(topic))


def member(guarded, user: str, topic: str, group: str) -> None:
    with closing(open_bus(guarded.certificate_url(user))) as bus:
        consumer = bus.consumer([topic], group=group)
        wait_until(
            lambda: bool(consumer.poll(timeout_seconds=0.2, max_records=1)) or bool(consumer.assignment())
        )


def refused(act, guarded, user: str, *rest: str) -> None:
    with pytest.raises(ConfigurationError, match=r"[Aa]uthoriz"):
        act(guarded, user, *rest)


def test_the_connector_of_a_force_reaches_nothing_of_another_force(guarded):
    own, other = "leicestershire", "northamptonshire"
    write(guarded, LEICS, f"{own}.incident.connector", f"{own}.incident.v1")
    read(guarded, LEICS, f"{own}.positions.v1")
    for topic in ("incident.v1", "hr.v1", "incident.v1.dlq", "positions.v1", "control.v1"):
        refused(read, guarded, LEICS, f"{other}.{topic}")
        refused(write, guarded, LEICS, f"{own}.incident.connector", f"{other}.{topic}")
    for name in ("incident.connector", "incident.control", "hr.removals"):
        refused(write, guarded, LEICS, f"{other}.{name}", f"{own}.incident.v1")
    for topic in (*ALLIANCE, "hub.audit.v1"):
        refused(read, guarded, LEICS, topic)
        refused(write, guarded, LEICS, f"{own}.incident.connector", topic)


def test_the_view_writes_nothing_but_its_dead_letters(guarded):
    write(guarded, VIEW, "hub.view.test", "alliance.incident.v1.dlq")
    for topic in (*ALLIANCE, "leicestershire.incident.v1", "leicestershire.positions.v1", "hub.mapping.v1"):
        refused(write, guarded, VIEW, "hub.view.test", topic)
    write(guarded, LEICS, "leicestershire.incident.connector", "leicestershire.incident.v1")  # there is some
    refused(read, guarded, VIEW, "leicestershire.incident.v1")
    refused(write, guarded, VIEW, "hub.normalise.1", "alliance.incident.v1.dlq")


def test_the_normaliser_touches_no_positions_and_no_other_group(guarded):
    refused(read, guarded, NORMALISE, "leicestershire.positions.v1")
    refused(write, guarded, NORMALISE, "hub.normalise.test", "leicestershire.positions.v1")
    refused(write, guarded, NORMALISE, "hub.normalise.test", "leicestershire.incident.v1")
    refused(write, guarded, NORMALISE, "leicestershire.incident.connector", "alliance.incident.v1")
    refused(member, guarded, NORMALISE, "leicestershire.incident.v1", "hub.view")


def test_who_may_not_see_how_topics_are_set_is_told_whom_to_ask(guarded):
    told = hub(guarded, "hub-consumer", "topics", "check", fails=2)
    assert "not authorized to see how topics are set: alliance.hr.v1, alliance.incident.v1;" in told
    assert "`alliance-hub acl check`" in told


def test_a_consumer_of_the_alliance_topics_sees_nothing_else(guarded):
    kafka = connect(KafkaConsumer, parse_kafka_url(guarded.password_url("hub-consumer")))
    with closing(kafka):
        assert set(kafka.topics()) == ALLIANCE
    member(guarded, "hub-consumer", "alliance.incident.v1", "hub-consumer.room")
    refused(member, guarded, "hub-consumer", "alliance.incident.v1", "hub.view")
    refused(read, guarded, "hub-consumer", "leicestershire.incident.v1")
    refused(write, guarded, "hub-consumer", "hub-consumer.1", "alliance.incident.v1")


def test_what_is_missing_or_too_wide_on_the_broker_is_named_with_its_remedy(guarded):
    assert "are as planned" in hub(guarded, "hub-operator", "acl", "check")
    plan = hub(guarded, "hub-operator", "acl", "plan").splitlines()
    tool = next(line for line in plan if line.startswith("kafka-acls.sh")).partition(" --add")[0]
    prefixed = "--resource-pattern-type prefixed"
    run_acl_commands(
        [
            f"{tool} --remove --force --allow-principal User:hub-view --operation Read --group hub.view",
            f"{tool} --add --allow-principal User:hub-view --operation Write --topic alliance.incident.v1",
            f"{tool} --add --allow-principal 'User:*' --operation Read --topic leices {prefixed}",
            f"{tool} --add --deny-principal User:hub-serve --operation Read --topic alliance.hr.v1",
            f"{tool} --add --allow-principal User:stranger --operation Read --topic weather",
        ]
    )
    told = ""

    def all_told() -> bool:
        nonlocal told
        told = hub(guarded, "hub-operator", "acl", "check", fails=2)
        return len(told.splitlines()) == 4

    wait_until(all_told)
    assert "missing: User:hub-view may Read group 'hub.view'." in told
    assert "too wide: User:hub-view may Write topic 'alliance.incident.v1'." in told
    assert "too wide: User:* may Read every topic that begins with 'leices'." in told
    assert "denied: User:hub-serve is denied to Read topic 'alliance.hr.v1'." in told

    run_acl_commands("kafka-acls.sh" + line.partition("kafka-acls.sh")[2] for line in told.splitlines())
    wait_until(
        lambda: "are as planned" in CliRunner().invoke(app, ["acl", "check", *operator(guarded)]).output
    )


def operator(guarded) -> list[str]:
    return ["--bus", guarded.certificate_url("hub-operator")]
