"""The HTTP server, asked over real HTTP."""

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from hub.bus.embedded_producer import EmbeddedProducer
from hub.cli.app import app
from hub.domains import DOMAINS
from hub.errors import ConfigurationError, TransientError
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from hub.serve.settings import ServerSettings
from hub.view.query import Query
from tests.behaviour.server import TOKENS, running, write_tokens
from tests.view_records import T0, incident, staff

SECOND = 1_000_000
PROGRAM = str(Path(sys.executable).with_name("alliance-hub"))


@pytest.fixture
def server(tmp_path):
    with running(tmp_path) as running_server:
        yield running_server


@pytest.fixture
def guarded(tmp_path):
    with running(tmp_path, tokens_file=write_tokens(tmp_path)) as running_server:
        yield running_server


def an_incident(key, **more):
    return incident(key, **({"grade": "PRIORITY"} | more))


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [record["source_key"].removeprefix("command:") for record in answer.json()["records"]]


def test_incidents_are_listed_newest_first_and_every_page_leads_to_the_next(server):
    server.apply("incident", *(an_incident(str(n), created=T0 + n * SECOND) for n in range(5)))
    first = server.get("/incidents", params={"limit": 2})
    assert ids(first) == ["4", "3"]
    second = server.get("/incidents", params={"limit": 2, "cursor": first.json()["next"]})
    assert ids(second) == ["2", "1"]
    last = server.get("/incidents", params={"limit": 2, "cursor": second.json()["next"]})
    assert ids(last) == ["0"]
    assert last.json()["next"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"force": "nottinghamshire"}, ["b"]),
        ({"status": ["CLOSED", "OPEN"]}, ["c", "b", "a"]),
        ({"status": "CLOSED"}, ["b"]),
        ({"grade": "EMERGENCY"}, ["c"]),
        ({"category": "TRANSPORT"}, ["a"]),
        ({"geographic_force": "northamptonshire"}, ["c"]),
        ({"bbox": "-1.2,52.5,-1.0,52.7"}, ["a"]),
        ({"since": "2016-11-24T15:06:41Z"}, ["c", "b"]),
        ({"until": "2016-11-24T15:06:40Z"}, ["a"]),
    ],
)
def test_incidents_are_filtered(server, query, found):
    server.apply(
        "incident",
        an_incident("a", category="TRANSPORT", latitude=52.6, longitude=-1.1),
        an_incident("b", force="nottinghamshire", status="CLOSED", created=T0 + SECOND),
        an_incident("c", grade="EMERGENCY", area="northamptonshire", created=T0 + 2 * SECOND),
    )
    assert ids(server.get("/incidents", params=query)) == found


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("forse=x", "Did you mean 'force'?"),
        ("limit=0", "from 1 to 500"),
        ("limit=x", "from 1 to 500"),
        ("bbox=1,2,3", "west,south,east,north"),
        ("since=yesterday", "2016-11-05T14:30:00Z"),
        ("since=2016-11-05T14:30:00", "with its offset"),
        ("cursor=zzz", "cursor"),
    ],
)
def test_a_wrong_question_is_answered_with_what_is_allowed(server, query, words):
    answer = server.get(f"/incidents?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


def test_one_incident_comes_with_its_provenance_and_every_version(server):
    server.apply("incident", an_incident("a", version=1), an_incident("a", version=2, status="CLOSED"))
    record_id = "urn:alliance:incident:leicestershire:command:a"
    body = server.get(f"/incidents/{record_id}").json()
    assert body["record"]["status"]["common"] == "CLOSED"
    assert body["record"]["provenance"]["raw_topic"] == "leicestershire.incident.v1"
    assert [version["source_version"] for version in body["history"]] == [2, 1]
    assert [version["record"]["status"]["common"] for version in body["history"]] == ["CLOSED", "OPEN"]


def test_blank_texts_are_null_and_instants_are_rfc_3339(server):
    server.apply("incident", an_incident("a"))
    (record,) = server.get("/incidents").json()["records"]
    assert record["niche_reference"] is None
    assert record["created"]["earliest"] == "2016-11-24T15:06:40.000000Z"
    assert record["dispatched"]["earliest"] is None


def test_a_deleted_incident_is_listed_only_when_asked_for_and_still_found_by_id(server):
    server.apply("incident", an_incident("a"), an_incident("a", version=2, deleted=True))
    assert ids(server.get("/incidents")) == []
    assert ids(server.get("/incidents", params={"deleted": "true"})) == ["a"]
    record_id = "urn:alliance:incident:leicestershire:command:a"
    assert server.get(f"/incidents/{record_id}").json()["record"]["deleted"] is True


def test_staff_are_found_by_skill(server):
    server.apply("hr", staff("1", skills=("TASER", "PIP_2")), staff("2", skills=("PIP_1",)))
    answer = server.get("/staff", params={"skill": "PIP_2"})
    assert [record["staff_number"] for record in answer.json()["records"]] == ["1"]
    one = server.get("/staff/urn:alliance:staff:leicestershire:1").json()["record"]
    assert [skill["common"] for skill in one["skills"]] == ["TASER", "PIP_2"]


def test_an_unknown_id_is_not_found(server):
    assert server.get("/incidents/urn:alliance:incident:x:y:z").status_code == 404


def test_a_feed_of_which_nothing_is_known_is_stale_and_a_complete_one_is_not(server):
    server.complete("leicestershire", "incident", int(time.time() * 1e6))
    feeds = {(f["force"], f["domain"]): f for f in server.get("/freshness").json()["feeds"]}
    assert not feeds["leicestershire", "incident"]["stale"]
    assert feeds["nottinghamshire", "hr"]["stale"]
    assert feeds["nottinghamshire", "hr"]["complete_to"] is None


def events(stream):
    kind = None
    for line in stream.iter_lines():
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield kind, json.loads(line.removeprefix("data: "))


def test_the_live_stream_tells_changes_in_order_and_goes_on_where_it_was_left(server):
    server.apply("incident", an_incident("a"), an_incident("b"))
    with server.client(timeout=10) as client, client.stream("GET", "/changes", params={"after": 1}) as stream:
        told = (data["source_key"] for kind, data in events(stream) if kind == "incident")
        assert next(told) == "command:b"
        server.apply("incident", an_incident("c"))
        assert next(told) == "command:c"


def test_the_live_stream_tells_freshness_first(server):
    with server.client(timeout=10) as client, client.stream("GET", "/changes") as stream:
        kind, data = next(events(stream))
    assert kind == "freshness"
    assert len(data["feeds"]) == 6


STUB = {*DOMAINS["incident"].stub_fields, "withheld"}


@pytest.mark.parametrize("token", ["everyone", "restricted"])
def test_a_restricted_incident_shows_its_stub_alone(guarded, token):
    guarded.apply("incident", an_incident("a") | {"restricted": True})
    (record,) = guarded.get("/incidents", token).json()["records"]
    assert set(record) == STUB


def test_an_incident_that_became_restricted_hides_its_history_but_from_who_may_see_such(guarded):
    guarded.apply("incident", an_incident("a", summary="what was told before"))
    guarded.apply("incident", an_incident("a", version=2) | {"restricted": True})
    path = "/incidents/urn:alliance:incident:leicestershire:command:a"
    newest, oldest = guarded.get(path, "everyone").json()["history"]
    assert set(newest["record"]) == set(oldest["record"]) == STUB
    newest, oldest = guarded.get(path, "restricted").json()["history"]
    assert set(newest["record"]) == STUB
    assert oldest["record"]["summary"] == "what was told before"


def test_deleting_a_restricted_incident_does_not_lay_its_history_open(guarded):
    guarded.apply("incident", an_incident("a", summary="what was told before"))
    guarded.apply("incident", an_incident("a", version=2) | {"restricted": True})
    guarded.apply("incident", an_incident("a", version=3, deleted=True))

    answer = guarded.get("/incidents/urn:alliance:incident:leicestershire:command:a", "everyone")

    assert [version["source_version"] for version in answer.json()["history"]] == [3, 2, 1]
    assert "what was told before" not in answer.text


@pytest.mark.parametrize(
    "path", ["/incidents", "/staff", "/freshness", "/changes", "/subjects", "/incidents/x"]
)
@pytest.mark.parametrize("token", [None, "nobody"])
def test_without_a_valid_token_nothing_is_told(guarded, path, token):
    answer = guarded.get(path, token)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("token", "incidents", "people"),
    [
        ("leicester-room", ["l"], ["1"]),
        ("everyone", ["n", "l"], ["2", "1"]),
        ("analyst", ["n", "l"], ["2", "1"]),
        ("incidents-only", ["n", "l"], None),
        ("operator", None, None),
    ],
)
def test_each_role_sees_the_forces_and_domains_it_is_held_for(guarded, token, incidents, people):
    guarded.apply(
        "incident", an_incident("l"), an_incident("n", force="nottinghamshire", created=T0 + SECOND)
    )
    guarded.apply("hr", staff("1"), staff("2", force="nottinghamshire", read_at=T0 + SECOND))
    for path, expected in (("/incidents", incidents), ("/staff", people)):
        answer = guarded.get(path, token)
        if expected is None:
            assert answer.status_code == 403
        else:
            keys = [r["source_key"].removeprefix("command:") for r in answer.json()["records"]]
            assert keys == expected


def test_a_field_whose_class_the_role_does_not_hold_is_absent_and_named(guarded):
    guarded.apply("incident", an_incident("a", summary="sensitive words"))
    answer = guarded.get("/incidents", "analyst")
    assert "sensitive words" not in answer.text
    assert "summary" in answer.json()["records"][0]["withheld"]
    assert guarded.get("/incidents", "everyone").json()["records"][0]["summary"] == "sensitive words"


def test_who_may_not_see_places_cannot_find_them_by_searching_boxes(guarded):
    guarded.apply("incident", an_incident("a", latitude=52.6, longitude=-1.1))
    box = {"bbox": "-1.2,52.5,-1.0,52.7"}
    assert guarded.get("/incidents", "analyst", params=box).status_code == 403
    assert ids(guarded.get("/incidents", "everyone", params=box)) == ["a"]


def test_another_forces_incident_is_not_found_rather_than_forbidden(guarded):
    guarded.apply("incident", an_incident("n", force="nottinghamshire"))
    record_id = "urn:alliance:incident:nottinghamshire:command:n"
    assert guarded.get(f"/incidents/{record_id}", "leicester-room").status_code == 404
    assert guarded.get(f"/incidents/{record_id}", "everyone").status_code == 200


def test_the_live_stream_keeps_other_forces_from_who_may_not_see_them(guarded):
    guarded.apply("incident", an_incident("n", force="nottinghamshire"), an_incident("l"))
    with (
        guarded.client("leicester-room", timeout=10) as client,
        client.stream("GET", "/changes", params={"after": 0}) as stream,
    ):
        kind, data = next(event for event in events(stream) if event[0] != "freshness")
    assert (kind, data["force"]) == ("incident", "leicestershire")


def audit_entries(server):
    parts = server.process.parts
    decode = Codec(load_registry(parts.forces)).decoder("hub.audit.v1")
    return [decode(record.value) for record in parts.bus.read_all("hub.audit.v1")]


def test_who_looked_at_what_is_in_the_audit_log_before_the_answer(guarded):
    guarded.apply("incident", an_incident("a"))
    record_id = "urn:alliance:incident:leicestershire:command:a"
    with guarded.client("leicester-room", headers={"Justification": "log 12"}) as client:
        assert client.get(f"/incidents/{record_id}").status_code == 200
    (entry,) = audit_entries(guarded)
    assert (entry["verb"], entry["principal"], entry["records"]) == (
        "consultation",
        "leicester-room",
        [record_id],
    )
    assert entry["justification"] == "log 12"


def test_nothing_is_shown_that_the_audit_log_does_not_take(server):
    server.apply("incident", an_incident("a"))
    server.process.parts.bus.producer("hub.audit.1")  # takes the identity over

    answer = server.get("/incidents")

    assert (answer.status_code, answer.json()["title"]) == (500, "The hub failed")
    assert "urn:alliance" not in answer.text


def test_the_audit_log_goes_on_after_an_entry_it_could_not_write(server, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(EmbeddedProducer, "send", broken)
        assert server.get("/incidents").status_code == 500

    assert server.get("/incidents").status_code == 200


def test_a_store_that_does_not_answer_is_a_problem_to_ask_again_about(server, monkeypatch):
    def away(*_, **__):
        raise TransientError("The store does not answer.")

    monkeypatch.setattr(Query, "list_records", away)

    answer = server.get("/incidents")

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_justification_can_be_required(tmp_path):
    with running(tmp_path, require_justification=True) as server:
        assert server.get("/incidents").status_code == 400
        with server.client(headers={"Justification": "log 12"}) as client:
            assert client.get("/incidents").status_code == 200


def test_another_address_is_refused_without_tokens(tmp_path):
    with pytest.raises(ConfigurationError, match="tokens_file"), running(tmp_path, host="0.0.0.0"):
        pass


def test_another_address_is_refused_without_tls_unless_the_settings_take_that_upon_them(tmp_path):
    tokens = write_tokens(tmp_path)
    with (
        pytest.raises(ConfigurationError, match="plain_http"),
        running(tmp_path, host="0.0.0.0", tokens_file=tokens),
    ):
        pass
    plain = ServerSettings(plain_http=True)
    with running(tmp_path, host="0.0.0.0", tokens_file=tokens, server=plain) as server:
        assert server.get("/freshness", "everyone").status_code == 200


def test_a_page_elsewhere_cannot_borrow_the_local_principal(server):
    with server.client(headers={"Host": "evil.example"}) as client:
        assert client.get("/incidents").status_code == 400


def test_a_token_that_has_expired_is_refused(tmp_path):
    file = write_tokens(tmp_path)
    file.write_text(file.read_text().replace("roles =", "expires = 2020-01-01\nroles ="))
    with running(tmp_path, tokens_file=file) as server:
        assert {server.get("/incidents", token).status_code for token in TOKENS} == {401}


def test_a_token_made_on_the_command_line_is_taken(tmp_path):
    made = subprocess.run(
        [PROGRAM, "token", "room", "--role", "leicestershire=control_room", "--expires", "2099-12-31"],
        capture_output=True,
        text=True,
        check=True,
    )
    file = tmp_path / "tokens.toml"
    file.write_text(made.stdout)
    with running(tmp_path, tokens_file=file) as server:
        server.apply("incident", an_incident("l"), an_incident("n", force="nottinghamshire"))
        assert ids(server.get("/incidents", made.stderr.split()[-1])) == ["l"]


@pytest.mark.parametrize("day", ["2027-02-30", "20270228", "soon"])
def test_a_token_cannot_expire_on_a_day_that_does_not_exist(day):
    told = CliRunner().invoke(app, ["token", "room", "--role", "control_room", "--expires", day])

    assert told.exit_code == 2
    assert "sha256" not in told.output


def test_every_problem_of_the_tokens_file_is_told_at_once(tmp_path):
    file = tmp_path / "tokens.toml"
    file.write_text('[[tokens]]\nname = "a"\nsha256 = "short"\nroles = { "*" = ["king"] }\n')
    with pytest.raises(ConfigurationError) as caught, running(tmp_path, tokens_file=file):
        pass
    assert "token 1: 'sha256'" in str(caught.value)
    assert "unknown role 'king'; known are control_room" in str(caught.value)


def test_ordinary_clients_find_the_schema_of_an_id(server):
    subjects = server.get("/subjects").json()
    assert "alliance.incident.v1-value" in subjects
    latest = server.get("/subjects/alliance.incident.v1-value/versions/latest").json()
    by_id = server.get(f"/schemas/ids/{latest['id']}").json()
    assert json.loads(by_id["schema"])["name"] == "Incident"
    assert server.get("/schemas/ids/999999").json()["error_code"] == 40403
    assert server.get("/subjects/none/versions").json()["error_code"] == 40401


COUNTED = 'alliance_hub_http_request_seconds_count{method="GET",route="/incidents",status="200"}'


def test_health_needs_no_token_and_metrics_one_that_may_monitor(guarded):
    assert guarded.get("/livez").status_code == 200
    assert guarded.get("/readyz").json()["ready"] is True
    guarded.get("/incidents", "everyone")
    assert [guarded.get("/metrics", token).status_code for token in (None, "nobody", "everyone")] == [
        401,
        401,
        403,
    ]
    assert COUNTED in guarded.get("/metrics", "monitor").text


def test_metrics_can_have_a_port_of_their_own_without_tokens(tmp_path):
    with running(
        tmp_path, tokens_file=write_tokens(tmp_path), server=ServerSettings(metrics_port=0)
    ) as server:
        assert server.get("/incidents", "everyone").status_code == 200
        address = server.process.listeners[1].address
        assert COUNTED in httpx.get(f"{address}/metrics").text
        assert httpx.get(f"{address}/readyz").status_code == 200
        assert httpx.get(f"{address}/incidents").status_code == 404


def test_the_page_is_served_with_headers_that_keep_it_to_itself(server):
    answer = server.get("/")
    assert "Newest incidents" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert server.get("/page.js").status_code == 200
