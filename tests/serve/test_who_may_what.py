"""Who may do what: every route of the app with every role and with none, against a table of our own.

A route or a role that has no place in the table fails, so that nobody adds one without deciding.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.routing import Mount, Route

from hub.access import ROLES
from tests.serve.roles import of_every_role

ALL = frozenset(ROLES)
INCIDENTS = frozenset({"control_room", "incident_reader", "analyst", "restricted_reader"})
STAFF = frozenset({"control_room", "staff_reader", "analyst", "restricted_reader"})
OPERATOR = frozenset({"operator"})
LETTERS = frozenset({"operator", "approver"})

NONE_OPEN = {"GET /livez", "GET /readyz"}
"""All that is answered to those who are not known, beside the page's own files."""


@dataclass(frozen=True)
class Row:
    """Who may, what they are answered, and what the others are; `path` where the route has parameters."""

    may: frozenset[str]
    answer: int = 200
    refused: int = 403
    path: str = ""
    body: Any = field(default=None)


CONNECTOR = "/connectors/leicestershire.incident"
LETTER = "/dead-letters/leicestershire.incident.v1.dlq/none"
TABLE = {
    "GET /livez": Row(ALL),
    "GET /readyz": Row(ALL),
    "GET /metrics": Row(frozenset({"operator", "monitor"})),
    "GET /openapi.json": Row(ALL),
    "GET /incidents": Row(INCIDENTS),
    "GET /incidents/{id}": Row(INCIDENTS, path="/incidents/urn:alliance:incident:leicestershire:command:a"),
    "GET /staff": Row(STAFF),
    "GET /staff/{id}": Row(STAFF, path="/staff/urn:alliance:staff:leicestershire:1"),
    "GET /freshness": Row(ALL),
    "GET /changes": Row(ALL),
    "GET /subjects": Row(ALL),
    "GET /subjects/{subject}/versions": Row(ALL, path="/subjects/alliance.incident.v1-value/versions"),
    "GET /subjects/{subject}/versions/{version}": Row(
        ALL, path="/subjects/alliance.incident.v1-value/versions/latest"
    ),
    "GET /schemas/ids/{id}": Row(ALL, path="/schemas/ids/999999", answer=404),
    # As Kafka Connect's; a browser, which wants no JSON, is given the page.
    "GET /": Row(ALL),
    "GET /connector-plugins": Row(ALL),
    # Connectors that one may not operate are not found, and not listed.
    "GET /connectors": Row(ALL),
    "GET /connectors/{name}": Row(OPERATOR, 200, 404, CONNECTOR),
    "GET /connectors/{name}/status": Row(OPERATOR, 200, 404, f"{CONNECTOR}/status"),
    "GET /connectors/{name}/config": Row(OPERATOR, 200, 404, f"{CONNECTOR}/config"),
    "GET /connectors/{name}/tasks": Row(OPERATOR, 200, 404, f"{CONNECTOR}/tasks"),
    "GET /connectors/{name}/tasks/{task}/status": Row(OPERATOR, 200, 404, f"{CONNECTOR}/tasks/0/status"),
    "GET /connectors/{name}/topics": Row(OPERATOR, 200, 404, f"{CONNECTOR}/topics"),
    "GET /connectors/{name}/offsets": Row(OPERATOR, 200, 404, f"{CONNECTOR}/offsets"),
    "GET /connectors/{name}/standing": Row(OPERATOR, 200, 404, f"{CONNECTOR}/standing"),
    "PUT /connectors/{name}/pause": Row(OPERATOR, 202, 404, f"{CONNECTOR}/pause"),
    "PUT /connectors/{name}/stop": Row(OPERATOR, 204, 404, f"{CONNECTOR}/stop"),
    "PUT /connectors/{name}/resume": Row(OPERATOR, 202, 404, f"{CONNECTOR}/resume"),
    "POST /connectors/{name}/restart": Row(OPERATOR, 204, 404, f"{CONNECTOR}/restart"),
    "POST /connectors/{name}/tasks/{task}/restart": Row(OPERATOR, 204, 404, f"{CONNECTOR}/tasks/0/restart"),
    "PUT /connectors/{name}/backfill": Row(OPERATOR, 202, 404, f"{CONNECTOR}/backfill", {"keys": ["1"]}),
    "DELETE /connectors/{name}/backfill": Row(OPERATOR, 202, 404, f"{CONNECTOR}/backfill"),
    "GET /dead-letters": Row(LETTERS),
    "GET /dead-letters/export": Row(LETTERS),
    "GET /dead-letters/{topic}/{key}": Row(LETTERS, 404, path=LETTER),
    "PUT /dead-letters/{topic}/{key}/edit": Row(LETTERS, 404, 403, f"{LETTER}/edit", {"fields": {"a": 1}}),
    "POST /dead-letters/{topic}/{key}/approve": Row(LETTERS, 404, path=f"{LETTER}/approve"),
    "POST /dead-letters/discards": Row(LETTERS, 400, body={"all": True}),  # no reason is given
    "POST /dead-letters/replays": Row(LETTERS, body={"all": True, "dry_run": True}),
    "GET /dead-letters/replays/{job}": Row(LETTERS, 404, path="/dead-letters/replays/none"),
    "DELETE /dead-letters/replays/{job}": Row(LETTERS, 404, path="/dead-letters/replays/none"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with of_every_role(tmp_path_factory.mktemp("roles")) as made:
        yield made


def app(server):
    return server.process.listeners[0].app


def asked(server, token):
    """The status of each route of the table."""
    with server.client(token, headers={"Accept": "application/json"}, timeout=60) as client:
        return {route: status(client, route, row) for route, row in TABLE.items()}


def status(client, route, row):
    method, path = route.split(" ")
    with client.stream(method, row.path or path, json=row.body) as answer:
        return answer.status_code


def test_every_route_of_the_app_has_its_row(server):
    routes = {
        f"{method} {route.path}"
        for route in app(server).routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert routes == TABLE.keys()


def test_beside_its_routes_the_app_has_the_page_alone(server):
    others = [route for route in app(server).routes if not isinstance(route, Route)]
    assert [(type(other), other.path) for other in others] == [(Mount, "")]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_its_column_says_and_nothing_else(server, role):
    expected = {route: row.answer if role in row.may else row.refused for route, row in TABLE.items()}
    assert asked(server, role) == expected


@pytest.mark.parametrize(("path", "role"), [("/incidents/made-up", "staff_reader"), ("/staff/1", "operator")])
def test_who_may_read_no_record_cannot_tell_which_there_are(server, path, role):
    assert server.get(path, role).status_code == 403


@pytest.mark.parametrize("token", [None, "nobody"])
def test_who_is_not_known_may_see_health_and_nothing_else(server, token):
    expected = {route: 200 if route in NONE_OPEN else 401 for route in TABLE}
    assert asked(server, token) == expected


@pytest.mark.parametrize("path", ["/nowhere", "/page.js/", "/%2e%2e/app.py", "/livez/", "/livez%00", "/a//b"])
def test_who_is_not_known_is_told_nothing_of_what_there_is(server, path):
    methods = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X")
    with server.client() as client:
        assert {client.request(method, path).status_code for method in methods} == {401}


@pytest.mark.parametrize("path", ["/", "/index.html", "/page.css", "/page.js"])
def test_the_files_of_the_page_hold_no_data_and_can_be_read_alone(server, path):
    with server.client() as client:
        before = client.get(path)
        assert before.status_code == 200
        assert "urn:alliance" not in before.text
        assert client.post(path).status_code == 401
        assert client.get(path, headers={"Authorization": "Bearer control_room"}).content == before.content


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "Bearer",
        "Basic control_room",
        "control_room",
        "Bearer control_room x",
        "Bearer\tcontrol_room",
    ],
)
def test_an_authorization_that_is_no_bearer_token_is_nobodys(server, sent):
    with server.client(headers={"Authorization": sent}) as client:
        assert client.get("/freshness").status_code == 401


def test_two_authorizations_are_nobodys(server):
    both = [("Authorization", "Bearer nobody"), ("Authorization", "Bearer control_room")]
    with server.client() as client:
        assert client.get("/freshness", headers=both).status_code == 401
