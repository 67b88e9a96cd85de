"""Who sees what of the HTTP server, and who is turned away."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.cli.app import app
from hub.domains import DOMAINS
from hub.errors import ConfigurationError
from hub.serve.settings import ServerSettings
from tests.behaviour.server import TOKENS, an_incident, events, ids, running, write_tokens
from tests.view_records import SECOND, T0, staff

PROGRAM = str(Path(sys.executable).with_name("alliance-hub"))
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


def test_what_one_role_shows_of_staff_another_does_not_show_of_incidents(guarded):
    guarded.apply("incident", an_incident("a", latitude=52.6, longitude=-1.1))
    guarded.apply("hr", staff("1"))
    (incident,) = guarded.get("/incidents", "staff-analyst").json()["records"]
    (person,) = guarded.get("/staff", "staff-analyst").json()["records"]
    assert "family_name" in person
    assert "latitude" not in incident["location"]


def test_who_may_not_see_places_cannot_find_them_by_searching_boxes(guarded):
    guarded.apply("incident", an_incident("a", latitude=52.6, longitude=-1.1))
    box = {"bbox": "-1.2,52.5,-1.0,52.7"}
    assert guarded.get("/incidents", "analyst", params=box).status_code == 403
    assert ids(guarded.get("/incidents", "everyone", params=box)) == ["a"]


def test_boxes_are_searched_in_the_forces_alone_whose_places_one_may_see(guarded):
    for force in ("leicestershire", "nottinghamshire"):
        guarded.apply("incident", an_incident(force[0], force=force, latitude=52.6, longitude=-1.1))
    assert len(ids(guarded.get("/incidents", "leicester-analyst"))) == 2
    box = {"bbox": "-1.2,52.5,-1.0,52.7"}
    assert ids(guarded.get("/incidents", "leicester-analyst", params=box)) == ["l"]


def test_another_forces_incident_is_not_found_rather_than_forbidden(guarded):
    guarded.apply("incident", an_incident("n", force="nottinghamshire"))
    record_id = "urn:alliance:incident:nottinghamshire:command:n"
    assert guarded.get(f"/incidents/{record_id}", "leicester-room").status_code == 404
    assert guarded.get(f"/incidents/{record_id}", "everyone").status_code == 200


def test_asking_for_another_forces_incidents_by_its_name_finds_none(guarded):
    guarded.apply("incident", an_incident("n", force="nottinghamshire"))
    asked = {"force": "nottinghamshire"}
    assert ids(guarded.get("/incidents", "leicester-room", params=asked)) == []
    assert ids(guarded.get("/incidents", "everyone", params=asked)) == ["n"]


def test_the_live_stream_keeps_other_forces_from_who_may_not_see_them(guarded):
    guarded.apply("incident", an_incident("n", force="nottinghamshire"), an_incident("l"))
    with (
        guarded.client("leicester-room") as client,
        client.stream("GET", "/changes", params={"after": 0}) as stream,
    ):
        kind, data = next(event for event in events(stream) if event[0] != "freshness")
    assert (kind, data["force"]) == ("incident", "leicestershire")


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
