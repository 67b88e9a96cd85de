"""What the HTTP server shows is in the audit log first."""

from hub.bus.embedded_producer import EmbeddedProducer
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from tests.behaviour.server import an_incident, running


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


def test_a_justification_can_be_required(tmp_path):
    with running(tmp_path, require_justification=True) as server:
        assert server.get("/incidents").status_code == 400
        with server.client(headers={"Justification": "log 12"}) as client:
            assert client.get("/incidents").status_code == 200
