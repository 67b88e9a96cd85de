"""The hub's connectors beside a real Kafka Connect: the same requests, the same shapes and codes."""

import contextlib
import datetime as dt
import json
import uuid

import httpx
import pytest

from connectors.standins.legacy import LegacySystems
from hub.bus import open_bus
from hub.bus.contract import TopicSpec
from hub.cli.process import Process, start_all
from hub.config import SourceSettings, load_settings
from tests.legacy import builtin_forces
from tests.real.connect_standalone import Connect
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.kafka, pytest.mark.timeout(900)]

READ = [
    "/",
    "/connectors",
    "/connectors?expand=status",
    "/connectors?expand=info",
    "/connectors?expand=status&expand=info",
    "/connectors?expand=made-up",
    "/connectors/NAME",
    "/connectors/NAME/status",
    "/connectors/NAME/config",
    "/connectors/NAME/tasks",
    "/connectors/NAME/tasks/0/status",
    "/connectors/NAME/topics",
    "/connectors/NAME/offsets",
    "/connector-plugins",
]
REFUSED = [
    "GET /connectors/made-up",
    "GET /connectors/made-up/status",
    "GET /connectors/made-up/config",
    "GET /connectors/made-up/tasks",
    "GET /connectors/made-up/offsets",
    "GET /connectors/made-up/tasks/0/status",
    "GET /connectors/NAME/tasks/1/status",
    "PUT /connectors/made-up/pause",
    "PUT /connectors/made-up/resume",
    "GET /connectors/NAME/pause",
    "POST /connectors/NAME/pause",
    "PUT /connectors/NAME/restart",
]
"""Not in the list: what `ConnectStandalone` answers with 500 where one that is distributed, and the hub,
say 404 (stop or restart of a connector that there is not)."""

FREE = {"config", "partition", "offset"}
"""Maps whose keys are each connector's own."""


class Ours:
    """A hub that reads one force's incidents, as who asks it sees it."""

    name = "leicestershire.incident"

    def __init__(self, folder):
        self._legacy = LegacySystems(folder / "legacy", builtin_forces(), staff_scale=0.01)
        self._legacy.raise_incident(
            "leicestershire", self._legacy.clock(), dt.date(2026, 6, 1), summary="one"
        )
        self._legacy.finish()
        location = self._legacy.locations()["leicestershire"]["incident"]
        settings = load_settings(environ={}, state=folder / "state", port=0)
        sources = {"leicestershire": {"incident": SourceSettings(location=location, secret_file=None)}}
        self._process = Process(settings.model_copy(update={"sources": sources}))

    def __enter__(self):
        start_all(self._process)
        return self

    def __exit__(self, *error):
        self._process.stop()
        self._legacy.close()

    def ask(self, method, path, **more):
        return httpx.request(method, self._process.address + path, timeout=60, **more)


@pytest.fixture(scope="module")
def both(tmp_path_factory, kafka_address):
    folder = tmp_path_factory.mktemp("connect")
    topic = f"lines.{uuid.uuid4().hex}"
    with contextlib.closing(open_bus(f"kafka://{kafka_address}")) as bus:
        bus.create_topics([TopicSpec(topic, 1, "delete")])
    (folder / "theirs").mkdir()
    with Connect(folder / "theirs", kafka_address, "pattern", topic) as theirs, Ours(folder) as ours:
        for each in (theirs, ours):
            wait_until(lambda each=each: status(each)[0] == "RUNNING" and positions(each) and topics(each))
        yield theirs, ours


def ask(side, request):
    method, path = request.split(" ")
    return side.ask(method, path.replace("NAME", side.name), headers={"Accept": "application/json"})


def status(side):
    told = ask(side, "GET /connectors/NAME/status").json()
    return told["connector"]["state"], [task["state"] for task in told["tasks"]]


def positions(side):
    return ask(side, "GET /connectors/NAME/offsets").json()["offsets"]


def topics(side):
    return ask(side, "GET /connectors/NAME/topics").json()[side.name]["topics"]


def shape(value, free=False):
    """The keys and the types of an answer; of a list the shapes that occur in it."""
    if isinstance(value, dict):
        if free:
            return "a map"
        return {key: shape(held, key in FREE) for key, held in value.items()}
    if isinstance(value, list):
        shapes = [shape(held) for held in value]
        return [each for place, each in enumerate(shapes) if each not in shapes[:place]]
    return type(value).__name__


def own_alone(side, answer):
    """The body, with the connector under one name and the others that the hub lists left out."""
    body = answer.json()
    if isinstance(body, dict) and side.name in body:
        body = {side.name: body[side.name]}
    return json.loads(json.dumps(body).replace(f'"{side.name}"', '"NAME"'))


@pytest.mark.parametrize("path", READ)
def test_what_is_read_has_the_shape_that_connect_gives_it(both, path):
    answers = [ask(side, f"GET {path}") for side in both]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.headers["content-type"] for answer in answers] == ["application/json"] * 2
    bodies = (own_alone(side, answer) for side, answer in zip(both, answers, strict=True))
    theirs, ours = (shape(body, path.endswith("/config")) for body in bodies)
    assert ours == theirs


def test_every_value_of_a_configuration_is_text(both):
    for side in both:
        for path in ("/connectors/NAME/config", "/connectors/NAME"):
            told = ask(side, f"GET {path}").json()
            config = told.get("config", told)
            assert {type(value) for value in config.values()} == {str}
            assert {"connector.class", "name", "tasks.max", "topic"} <= config.keys()
        assert config["name"] == side.name


@pytest.mark.parametrize("request_", REFUSED)
def test_what_is_refused_is_refused_as_connect_does(both, request_):
    answers = [ask(side, request_) for side in both]
    assert answers[1].status_code == answers[0].status_code
    theirs, ours = (answer.json() for answer in answers)
    assert shape(ours) == shape(theirs) == {"error_code": "int", "message": "str"}
    assert ours["error_code"] == theirs["error_code"] == answers[1].status_code


VERBS = [
    ("PUT", "/pause", "PAUSED", ["PAUSED"]),
    ("PUT", "/resume", "RUNNING", ["RUNNING"]),
    ("POST", "/restart", "RUNNING", ["RUNNING"]),
    ("POST", "/restart?includeTasks=true", "RUNNING", ["RUNNING"]),
    ("POST", "/restart?includeTasks=true&onlyFailed=true", "RUNNING", ["RUNNING"]),
    ("POST", "/tasks/0/restart", "RUNNING", ["RUNNING"]),
    ("PUT", "/stop", "STOPPED", []),
    ("PUT", "/resume", "RUNNING", ["RUNNING"]),
]


def test_the_verbs_are_answered_alike_and_lead_to_the_same_states(both):
    for method, verb, connector, tasks in VERBS:
        answers = [ask(side, f"{method} /connectors/NAME{verb}") for side in both]
        codes = [answer.status_code for answer in answers]
        assert codes[0] == codes[1], f"{method} {verb}: {codes}"
        bodies = [own_alone(side, a) if a.content else None for side, a in zip(both, answers, strict=True)]
        assert shape(bodies[1]) == shape(bodies[0]), f"{method} {verb}"
        states = {body["connector"]["state"] for body in bodies if body is not None}
        assert len(states) <= 1, f"{method} {verb}: {states}"
        for side in both:
            wait_for(side, (connector, tasks), f"{method} {verb}")


def wait_for(side, expected, after):
    wait_until(lambda: status(side) == expected, lambda: f"{side} after {after}: {status(side)}")


def test_a_task_that_there_is_not_cannot_be_restarted(both):
    """Asked last, for a standalone Connect keeps the task that it looked for."""
    answers = [ask(side, "POST /connectors/NAME/tasks/7/restart") for side in both]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert [shape(answer.json()) for answer in answers] == [{"error_code": "int", "message": "str"}] * 2
