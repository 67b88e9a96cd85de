"""What the API says of itself is what it does."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.behaviour.server import running
from tests.view_records import T0, incident, staff

OPERATIONS = [
    "/incidents",
    "/incidents/{id}",
    "/staff",
    "/staff/{id}",
    "/freshness",
    "/connectors",
    "/connector-plugins",
    "/connectors/{name}",
    "/connectors/{name}/status",
    "/connectors/{name}/config",
    "/connectors/{name}/tasks",
    "/connectors/{name}/tasks/{task}/status",
    "/connectors/{name}/topics",
    "/connectors/{name}/offsets",
    "/connectors/{name}/standing",
    "/dead-letters",
    "/dead-letters/{topic}/{key}",
    "/dead-letters/replays/{job}",
]
ACTS = {f"/connectors/{{name}}/{act}" for act in ("pause", "resume", "stop", "restart", "backfill")}
ACTS |= {"/connectors/{name}/tasks/{task}/restart"}
ACTS |= {"/dead-letters/export", "/dead-letters/discards", "/dead-letters/replays"}
ACTS |= {f"/dead-letters/{{topic}}/{{key}}/{act}" for act in ("edit", "approve")}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("server")) as running_server:
        running_server.apply(
            "incident",
            incident("a", grade="PRIORITY", latitude=52.6, longitude=-1.1, summary="what happened"),
            incident("b", grade="EMERGENCY", created=T0 + 1),
        )
        running_server.apply("hr", staff("1", skills=("TASER",)))
        yield running_server


@pytest.fixture(scope="module")
def described(server):
    return schemathesis.openapi.from_url(f"{server.address}/openapi.json")


def test_every_route_is_described(described):
    paths = {operation.ok().path for operation in described.get_all_operations()}
    assert paths == {*OPERATIONS, *ACTS, "/changes"}


@pytest.mark.parametrize("path", OPERATIONS)
def test_whatever_is_asked_the_answer_is_as_described(described, server, path):
    operation = described[path]["GET"]

    @given(case=operation.as_strategy())
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(case):
        response = case.call(base_url=server.address)
        # A cursor is opaque and a box has an order: not every text that fits their schema is one.
        case.validate_response(response, excluded_checks=[positive_data_acceptance])

    ask()


def test_records_fit_their_description(described, server):
    for path, shown in (("/incidents", 2), ("/staff", 1)):
        case = described[path]["GET"].Case()
        response = case.call_and_validate(base_url=server.address)
        assert len(response.json()["records"]) == shown
    for path in ("/incidents", "/staff"):
        record_id = server.get(path).json()["records"][0]["id"]
        described[f"{path}/{{id}}"]["GET"].Case(path_parameters={"id": record_id}).call_and_validate(
            base_url=server.address
        )
