"""Dead letters over HTTP: who may do what, masked by default, replays that can be watched and stopped."""

import json
from dataclasses import dataclass

import pytest

from hub.bus.topics import AUDIT_TOPIC
from hub.dead_letters import dead_letter, dead_letter_key, dead_letter_topic, letter_headers
from hub.errors import BadRecordError
from tests.behaviour.server import running, write_tokens
from tests.mapped import event, feed
from tests.waiting import wait_until

OF = feed("leicestershire")
SECRET = "A neighbour's name and address"


@dataclass(frozen=True)
class Original:
    offset: int
    key: bytes
    value: bytes
    topic: str = OF.topic
    partition: int = 0
    timestamp: int = 0
    headers: tuple[()] = ()


@pytest.fixture
def server(tmp_path):
    with running(tmp_path, tokens_file=write_tokens(tmp_path)) as running_server:
        yield running_server


def put(server, *keys, **columns):
    """Dead letters of good events, as if their mapping had been wrong; their paths."""
    parts = server.process.parts
    producer = parts.bus.producer("test.letters")
    topic, paths = dead_letter_topic(OF.topic), []
    producer.begin()
    for offset, key in enumerate(keys):
        made = event(OF, key=key, SUMMARY=SECRET, **columns)
        value = parts.codec.encoder(OF.topic)(made)
        original = Original(offset, made["record_id"].encode(), value)
        letter = dead_letter(
            "normalise",
            original,
            BadRecordError("The mapping failed."),
            1_790_000_000_000_000 + offset,
            force=OF.force,
            domain=OF.domain,
            system=OF.system,
        )
        name = dead_letter_key("normalise", original)
        producer.send(topic, name, parts.codec.encoder(topic)(letter), letter_headers(letter))
        paths.append(f"/dead-letters/{topic}/{name.decode()}")
    producer.commit()
    producer.close()
    return paths


def ask(server, method, path, token, *, body=None, why="", **params):
    headers = {"Justification": why} if why else {}
    with server.client(token, headers=headers) as client:
        return client.request(method, path, json=body, params=params)


def sent(server):
    return [r.key for r in server.process.parts.bus.read_all("alliance.incident.v1")]


def audited(server):
    decode = server.process.parts.codec.decoder(AUDIT_TOPIC)
    entries = [decode(each.value) for each in server.process.parts.bus.read_all(AUDIT_TOPIC)]
    return [(entry["verb"], entry["principal"]) for entry in entries]


@pytest.mark.parametrize(
    ("token", "look", "edit", "approve", "replay", "unmasked"),
    [
        (None, 401, 401, 401, 401, 401),
        ("operator", 200, 200, 403, 200, 403),
        ("approver", 200, 403, 409, 403, 403),
        ("insider", 200, 200, 403, 200, 200),
        ("analyst", 403, 403, 403, 403, 403),
        ("leicester-room", 403, 403, 403, 403, 403),
        ("restricted", 403, 403, 403, 403, 403),
    ],
)
def test_each_role_may_do_what_it_is_for(server, token, look, edit, approve, replay, unmasked):
    (path,) = put(server, "2016-11-01:7")
    dry = {"all": True, "dry_run": True}
    answers = [
        ask(server, "GET", "/dead-letters", token),
        ask(server, "POST", f"{path}/approve", token),
        ask(server, "POST", "/dead-letters/replays", token, body=dry),
        ask(server, "GET", path, token, unmasked="true"),
        ask(server, "PUT", f"{path}/edit", token, body={"fields": {"row.GRADE": "2"}}),
    ]
    assert [each.status_code for each in answers] == [look, approve, replay, unmasked, edit]


def test_a_letter_is_shown_masked_and_whole_only_to_who_may_and_asks(server):
    (path,) = put(server, "2016-11-01:7", GRADE="1")
    masked = ask(server, "GET", path, "insider").json()
    assert masked["original"] is None
    assert masked["decoded"]["row"]["GRADE"] == "1"
    assert "SUMMARY" not in masked["decoded"]["row"]
    assert "row.SUMMARY" in masked["decoded_withheld"]
    assert SECRET not in json.dumps(masked)

    whole = ask(server, "GET", path, "insider", unmasked="true", why="a complaint").json()
    assert whole["decoded"]["row"]["SUMMARY"] == SECRET
    assert whole["original"] is not None
    assert audited(server) == [("consultation", "insider")] * 2


def test_letters_are_listed_newest_first_filtered_and_page_by_page(server):
    put(server, "2016-11-01:7", "2016-11-01:8", "2016-11-02:7")
    first = ask(server, "GET", "/dead-letters", "operator", limit="2").json()
    assert [each["record_id"][-12:] for each in first["letters"]] == ["2016-11-02:7", "2016-11-01:8"]
    rest = ask(server, "GET", "/dead-letters", "operator", cursor=first["next"]).json()
    assert [each["record_id"][-12:] for each in rest["letters"]] == ["2016-11-01:7"]
    assert rest["next"] is None
    of_key = ask(server, "GET", "/dead-letters", "operator", key="7").json()
    assert len(of_key["letters"]) == 2
    assert ask(server, "GET", "/dead-letters", "operator", key="9").json()["letters"] == []
    assert ask(server, "GET", "/dead-letters", "operator", error="mapping").json()["letters"]
    assert not ask(server, "GET", "/dead-letters", "operator", force="rutland").json()["letters"]
    assert ask(server, "GET", "/dead-letters", "operator", state="gone").status_code == 400
    assert ask(server, "GET", "/dead-letters", "operator", unmasked="true").status_code == 400
    assert ask(server, "GET", "/dead-letters/export", "operator", limit="1").status_code == 400


def test_edit_approve_and_replay_take_two_people(server):
    (path,) = put(server, "2016-11-01:7")
    letter = path.removeprefix("/dead-letters/")
    edited = ask(server, "PUT", f"{path}/edit", "operator", body={"fields": {"GRADE": "2"}}).json()
    assert (edited["state"], edited["changed"]) == ("edited", ["row.GRADE"])
    body = {"ids": [letter]}
    assert wait(server, ask(server, "POST", "/dead-letters/replays", "operator", body=body))["verdicts"] == {
        "unapproved": 1
    }
    approved = ask(server, "POST", f"{path}/approve", "approver", why="checked")
    assert approved.json()["approved"]
    assert wait(server, ask(server, "POST", "/dead-letters/replays", "operator", body=body))["verdicts"] == {
        "passes": 1
    }
    assert sent(server) == [b"urn:alliance:incident:leicestershire:command:2016-11-01:7"]
    assert [verb for verb, _ in audited(server)] == ["edit", "replay", "approve", "replay"]


def test_a_replay_of_many_can_be_watched_and_stopped(server):
    put(server, *(f"2016-11-01:{n}" for n in range(5)))
    body = {"force": ["leicestershire"], "per_second": 0.01}
    begun = ask(server, "POST", "/dead-letters/replays", "operator", body=body)
    assert begun.status_code == 202
    assert ask(server, "POST", "/dead-letters/replays", "operator", body=body).status_code == 409
    path = f"/dead-letters/replays/{begun.json()['id']}"
    wait_until(lambda: ask(server, "GET", path, "operator").json()["verdicts"] == {"passes": 1})
    assert ask(server, "DELETE", path, "operator").status_code == 202
    wait_until(lambda: ask(server, "GET", path, "operator").json()["state"] == "stopped")
    assert len(sent(server)) == 1


def test_a_discard_needs_a_reason_and_says_which(server):
    put(server, "2016-11-01:7", "2016-11-01:8")
    assert ask(server, "POST", "/dead-letters/discards", "operator", body={}, why="x").status_code == 400
    nothing_said = ask(server, "POST", "/dead-letters/discards", "operator", body={"key": "2016-11-01:7"})
    assert nothing_said.status_code == 400
    done = ask(server, "POST", "/dead-letters/discards", "operator", body={"key": "8"}, why="a test call")
    assert done.json() == {"discarded": 1, "refused": []}
    left = ask(server, "GET", "/dead-letters", "operator").json()["letters"]
    assert [each["record_id"][-1] for each in left] == ["7"]


def test_an_export_holds_no_personal_field_unless_unmasked_which_is_a_disclosure(server):
    put(server, "2016-11-01:7", "2016-11-01:8")
    masked = ask(server, "GET", "/dead-letters/export", "insider")
    assert [json.loads(line)["state"] for line in masked.text.splitlines()] == ["open", "open"]
    assert SECRET not in masked.text
    assert ask(server, "GET", "/dead-letters/export", "insider", unmasked="true").status_code == 400
    whole = ask(
        server, "GET", "/dead-letters/export", "insider", unmasked="true", recipient="ICO", why="asked for"
    )
    assert whole.text.count(SECRET) == 2
    assert all("base64" in json.loads(line)["original"] for line in whole.text.splitlines())
    assert audited(server) == [("consultation", "insider"), ("disclosure", "insider")]


def test_the_letters_that_wait_are_counted_for_alerts(server):
    put(server, "2016-11-01:7", "2016-11-01:8")
    labels = {"force": "leicestershire", "domain": "incident", "stage": "normalise", "state": "open"}
    registry = server.process.parts.metrics.registry
    wait_until(lambda: registry.get_sample_value("alliance_hub_dead_letters_open", labels) == 2)
    assert registry.get_sample_value("alliance_hub_dead_letters_open", labels | {"stage": "view"}) == 0


def test_a_page_of_another_site_may_not_act(server):
    (path,) = put(server, "2016-11-01:7")
    with server.client("approver", headers={"Origin": "https://elsewhere.example"}) as client:
        assert client.post(f"{path}/approve").status_code == 403


def wait(server, begun):
    assert begun.status_code == 202, begun.text
    path = f"/dead-letters/replays/{begun.json()['id']}"
    wait_until(lambda: ask(server, "GET", path, "operator").json()["state"] != "running")
    return ask(server, "GET", path, "operator").json()
