"""The connectors as clients of Kafka Connect ask for them: who they are, and what the hub alone decides."""

import base64

import pytest

from hub.control import ConnectorState
from tests.behaviour.server import running, write_tokens

NAME = "leicestershire.incident"
ONE = f"/connectors/{NAME}"
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with running(folder, tokens_file=write_tokens(folder)) as running_server:
        yield running_server


def basic(token, user="anybody"):
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{token}'.encode()).decode()}"}


def test_a_client_that_knows_passwords_alone_sends_its_token_as_one(server):
    names = server.get("/connectors", headers=basic("operator")).json()
    assert NAME in names
    assert server.get("/connectors", "operator").json() == names
    for wrong in (basic("nobody"), basic(""), basic("operator:"), {"Authorization": "Basic operator"}):
        assert server.get("/connectors", headers=wrong).status_code == 401


def test_the_root_tells_its_version_to_who_wants_json_and_is_known_and_shows_others_the_page(server):
    assert server.get("/", headers=JSON).status_code == 401
    told = server.get("/", "operator", headers=JSON)
    assert told.json().keys() == {"version", "commit", "kafka_cluster_id"}
    for accept in ("text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "text/html, application/json"):
        assert "<html" in server.get("/", headers={"Accept": accept}).text


@pytest.mark.parametrize("path", ["/", "/connectors", "/connector-plugins", ONE, f"{ONE}/status", f"{ONE}/x"])
def test_who_is_not_known_is_refused_as_connect_refuses(server, path):
    for token in (None, "nobody"):
        refused = server.get(path, token, headers=JSON)
        assert refused.status_code == 401
        assert refused.json() == {"error_code": 401, "message": refused.json()["message"]}
        assert refused.headers["www-authenticate"] == "Bearer"
    assert server.get("/incidents", headers=JSON).headers["content-type"] == "application/problem+json"


def test_a_path_that_connect_does_not_have_is_not_found_as_connect_says_it(server):
    refused = server.get(f"{ONE}/nothing", "operator")
    assert (refused.status_code, refused.json()) == (
        404,
        {"error_code": 404, "message": "HTTP 404 Not Found"},
    )
    assert server.get("/nothing", "operator").json()["status"] == 404


def test_a_configuration_says_how_a_source_is_read_and_never_where_it_is(server):
    config = server.get(f"{ONE}/config", "operator").json()
    assert config["connector.class"] == "alliance_hub.sql"
    assert config["source.key"] == "INC_DATE,INC_NO"
    assert config["source.watermark.local"] == "true"
    assert "location" not in " ".join(config)
    classes = [plugin["class"] for plugin in server.get("/connector-plugins", "operator").json()]
    assert config["connector.class"] in classes


def test_what_connect_would_change_by_http_is_refused_with_the_methods_there_are(server):
    with server.client("operator") as client:
        for method, path in (("DELETE", ONE), ("PUT", f"{ONE}/config"), ("POST", "/connectors")):
            refused = client.request(method, path)
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
            assert refused.json() == {"error_code": 405, "message": "HTTP 405 Method Not Allowed"}


def test_a_restart_of_failed_ones_alone_leaves_the_others_be(server):
    flow = server.process.parts.flow
    feed = flow.feed(NAME)

    def restarts():
        wishes = flow.status(feed).wishes
        return wishes["state"].value["restarts"] if "state" in wishes else 0

    with server.client("operator") as client:
        before = restarts()
        left = client.post(f"{ONE}/restart?includeTasks=true&onlyFailed=true")
        assert (left.status_code, left.json()["connector"]["state"]) == (202, "UNASSIGNED")
        assert restarts() == before
        asked = client.post(f"{ONE}/restart?includeTasks=true")
        assert (asked.status_code, asked.json()["connector"]["state"]) == (202, "RESTARTING")
        assert restarts() == before + 1


@pytest.mark.parametrize("body", [b"", b"[" * 100_000, b'{"keys": []}', b'{"keys": ["1"], "pace": 3}'])
def test_a_backfill_that_is_not_well_put_is_refused_with_what_is_wrong(server, body):
    with server.client("operator") as client:
        refused = client.put(f"{ONE}/backfill", content=body)
    assert (refused.status_code, refused.json()["error_code"]) == (400, 400)
    assert refused.json()["message"]


def test_one_that_is_stopped_is_resumed_and_not_restarted(server):
    with server.client("operator") as client:
        assert client.put(f"{ONE}/stop").status_code == 204
        assert client.get(f"{ONE}/standing").json()["asked"] == ConnectorState.STOPPED
        refused = client.post(f"{ONE}/restart")
        assert (refused.status_code, refused.json()["error_code"]) == (409, 409)
        assert "resume it instead" in refused.json()["message"]
        assert client.put(f"{ONE}/resume").status_code == 202
