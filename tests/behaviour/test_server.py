"""The HTTP server, asked over real HTTP."""

import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from hub.errors import TransientError
from hub.serve.settings import ServerSettings
from hub.view.query import Query
from tests.behaviour.server import an_incident, events, ids, running, write_tokens
from tests.view_records import SECOND, T0, staff
from tests.waiting import PATIENCE_SECONDS


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
        ("status=OPEN&status=closed", "'status' is one of UNKNOWN, OPEN, DISPATCHED,"),
        ("deleted=1", "'deleted' is true or false"),
        ("grade=", "'grade' is one of UNKNOWN, EMERGENCY,"),
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


def test_the_live_stream_tells_changes_in_order_and_goes_on_where_it_was_left(server):
    server.apply("incident", an_incident("a"), an_incident("b"))
    with server.client() as client, client.stream("GET", "/changes", params={"after": 1}) as stream:
        told = (data["source_key"] for kind, data in events(stream) if kind == "incident")
        assert next(told) == "command:b"
        server.apply("incident", an_incident("c"))
        assert next(told) == "command:c"


def test_the_live_stream_tells_freshness_first(server):
    with server.client() as client, client.stream("GET", "/changes") as stream:
        kind, data = next(events(stream))
    assert kind == "freshness"
    assert len(data["feeds"]) == 6


def test_a_store_that_does_not_answer_is_a_problem_to_ask_again_about(server, monkeypatch):
    def away(*_, **__):
        raise TransientError("The store does not answer.")

    monkeypatch.setattr(Query, "list_records", away)

    answer = server.get("/incidents")

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0


def test_a_store_asked_too_much_at_once_is_a_problem_to_ask_again_about(server, monkeypatch):
    store = server.process.parts.store
    monkeypatch.setattr(store._engine.pool, "_timeout", 0.1)
    with contextlib.ExitStack() as asking:
        for _ in range(store._engine.pool.size() + store._engine.pool._max_overflow):
            asking.enter_context(store.reading())
        answers = [server.get(path) for path in ("/incidents", "/freshness")]
    assert [(each.status_code, "retry-after" in each.headers) for each in answers] == [(503, True)] * 2
    assert server.get("/incidents").status_code == 200


def test_a_store_that_holds_up_a_live_stream_holds_up_nobody_else(server, monkeypatch):
    asked, answer = threading.Event(), threading.Event()

    def hold(_query):
        asked.set()
        answer.wait(PATIENCE_SECONDS)
        return 0

    monkeypatch.setattr(Query, "last_change", hold)

    def follow():
        with server.client() as client, client.stream("GET", "/changes") as stream:
            assert stream.status_code == 200

    with ThreadPoolExecutor() as pool:
        following = pool.submit(follow)
        try:
            assert asked.wait(PATIENCE_SECONDS)
            assert server.get("/livez").status_code == 200
            assert not answer.is_set()
        finally:
            answer.set()
        following.result(PATIENCE_SECONDS)


def test_a_live_stream_ends_in_order_where_the_store_fails(server, monkeypatch):
    with server.client() as client, client.stream("GET", "/changes") as stream:
        told = events(stream)
        assert next(told)[0] == "freshness"

        def away(*_):
            raise TransientError("The store does not answer.")

        monkeypatch.setattr(Query, "changes_after", away)
        assert [kind for kind, _ in told if kind != "freshness"] == []


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
