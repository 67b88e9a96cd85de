"""What dead letters say of themselves, what is shown of them, and how long they are kept."""

import json
import os
import signal
import threading

import pytest
from typer.testing import CliRunner

from hub.access import LOCAL
from hub.cli.app import app
from hub.dead_letters.cases import State
from hub.dead_letters.search import Search
from hub.dead_letters.tending import let_go
from hub.errors import NotAllowedError
from tests.connecting import Bench, batch, refused, row
from tests.dead_letters import ANNA, BILAL, CARA, INCIDENTS, Letters, unreadable
from tests.mapped import event, feed
from tests.view_bus import stage
from tests.view_records import incident

STAFF = feed("leicestershire", "hr")
SECRET = "A neighbour's name"


@pytest.fixture
def room(tmp_path):
    made = Letters(tmp_path)
    yield made
    made.close()


def connect_headers(received):
    prefix = "__connect.errors."
    return {n.removeprefix(prefix): v.decode() for n, v in received.headers if n.startswith(prefix)}


def test_a_connectors_letter_has_kafka_connects_headers_without_what_is_personal(tmp_path):
    bench = Bench(tmp_path)
    of = bench.feed()
    bench.publish(of, batch(row(1), refused(b"7;SECRET", key="7")))
    (letter,) = bench.bus.read_all("leicestershire.incident.v1.dlq")
    assert connect_headers(letter) == {
        "topic": "leicestershire.incident.v1",
        "partition": "-1",
        "offset": "-1",
        "connector.name": "leicestershire.incident",
        "task.id": "0",
        "stage": "TASK_POLL",
        "class.name": "connectors.loop.Connector",
        "exception.class.name": "hub.errors.BadRecordError",
        "exception.message": "two fields too few",
    }
    assert dict(letter.headers)["hub.dead_letter.stage"] == b"read"
    assert b"SECRET" not in b"".join(value for _, value in letter.headers)
    bench.close()


def test_a_normalisers_and_a_views_letters_name_the_record_they_are_of(room, tmp_path):
    unreadable(room, "2016-11-01:7")
    room.normalise()
    (letter,) = room.messages("leicestershire.incident.v1.dlq")
    named = connect_headers(letter)
    assert (named["connector.name"], named["stage"]) == ("hub.normalise", "TRANSFORMATION")
    assert (named["topic"], named["offset"]) == ("leicestershire.incident.v1", "0")
    with stage(f"embedded://{tmp_path}/other.db", f"sqlite:///{tmp_path}/other-view.db") as other:
        other.send("alliance.incident.v1", (b"urn:alliance:incident:leicestershire:command:7", b"nonsense"))
        other.settle(other.view(instance="b"))
        (letter,) = other.bus.read_all("alliance.incident.v1.dlq")
        named = connect_headers(letter)
        assert (named["connector.name"], named["stage"], named["task.id"]) == ("hub.view", "TASK_PUT", "b")
        assert named["topic"] == "alliance.incident.v1"


def a_letter(room, of=INCIDENTS, **columns):
    """A letter whose event can be decoded, though not mapped."""
    wrong = event(of, record_id="urn:alliance:incident:rutland:command:7", **columns)
    room.publish(of, wrong)
    room.normalise()
    return room.ids(Search(domains=(of.domain,)))[-1]


def test_the_original_is_shown_beside_what_could_be_decoded_masked_unless_unmasked(room):
    letter = a_letter(room, SUMMARY=SECRET, GRADE="1", RESTRICTED=False)
    masked = room.office.reading.show(CARA, letter)
    assert masked["decoded"]["row"]["GRADE"] == "1"
    assert (masked["original"], masked["original_withheld"]) == (None, True)
    assert {"row.SUMMARY", "row.LOC_TEXT"} <= set(masked["decoded_withheld"])
    assert SECRET not in json.dumps(masked)
    whole = room.office.reading.show(CARA, letter, unmasked=True, why="a complaint")
    assert whole["decoded"]["row"]["SUMMARY"] == SECRET
    assert (whole["decoded_withheld"], whole["original_withheld"]) == ([], False)
    with pytest.raises(NotAllowedError, match="restricted_reader"):
        room.office.reading.show(ANNA, letter, unmasked=True)
    assert [(e["verb"], e["principal"], e["justification"]) for e in room.audit()] == [
        ("consultation", "cara", ""),
        ("consultation", "cara", "a complaint"),
    ]


def test_of_a_restricted_record_no_column_is_shown(room):
    letter = a_letter(room, GRADE="1", RESTRICTED=True)
    shown = room.office.reading.show(ANNA, letter)
    assert "row" not in shown["decoded"]
    assert "row" in shown["decoded_withheld"]


def test_letters_are_found_by_incident_number_and_staff_number(room):
    incident_letter = a_letter(room, INC_NO=12, INC_DATE="2016-11-01")
    staff_letter = a_letter(room, of=STAFF, STAFF_NO="4711", SURNAME="Smith")
    assert room.ids(Search(key="12")) == [incident_letter]
    assert room.ids(Search(key="4711")) == [staff_letter]
    assert room.ids(Search(key="Smith")) == []
    assert room.ids(Search(stages=("view",))) == []
    assert room.ids(Search(error="another feed")) == [incident_letter, staff_letter]
    assert room.ids(Search(until=1)) == []


def test_a_views_letter_is_replayed_once_the_view_can_use_it(room):
    whole = incident("2016-11-01:7", 3)
    value = room.codec.encoder("alliance.incident.v1")(whole)
    producer = room.bus.producer("test.other")
    producer.begin()
    producer.send("alliance.incident.v1", b"urn:alliance:incident:leicestershire:command:other", value)
    producer.commit()
    producer.close()
    room.view()
    (letter,) = room.ids()
    assert room.replay(letter) == {letter: "fails"}  # its key is not its id
    room.office.edit(ANNA, letter, fields={"summary": "as the force says"})
    room.office.approve(BILAL, letter)
    assert room.replay(letter) == {letter: "passes"}
    room.view()
    found = room.query.get("incident", whole["id"])
    assert (found.record["source_version"], found.record["summary"]) == (3, "as the force says")
    assert room.office.writer.book.counts("leicestershire", "incident") == {}
    assert room.case(letter).state is State.REPLAYED


def test_what_is_resolved_is_let_go_in_time_and_what_waits_never(room):
    for number in range(3):
        unreadable(room, f"2016-11-01:{number}")
    room.normalise()
    first, second, third = room.ids()
    assert room.office.discard(LOCAL, room.office.reading.find(LOCAL, Search(ids=(first,))), "noise") == []
    room.now += 100
    assert room.office.discard(LOCAL, room.office.reading.find(LOCAL, Search(ids=(second,))), "noise") == []

    assert let_go(room.office.writer, int((room.now - 50) * 1_000_000)) == 1
    assert room.ids() == [second, third]
    assert room.office.writer.book.counts("leicestershire", "incident")["rows_gone"] == 1
    tombstones = [r.key for r in room.messages("leicestershire.incident.v1.dlq") if r.value is None]
    assert [f"leicestershire.incident.v1.dlq/{key.decode()}" for key in tombstones] == [first]
    assert let_go(room.office.writer, int((room.now + 10**9) * 1_000_000)) == 1
    assert room.ids() == [third]


def test_a_letter_with_a_long_original_is_fetched_when_it_is_looked_at(room):
    unreadable(room, "2016-11-01:7", b"\x00\x00\x00\x00\x07" + b"x" * 100_000)
    room.normalise()
    (letter,) = room.ids()
    shown = room.office.reading.show(CARA, letter, unmasked=True)
    assert len(shown["original"]["text"]) == 100_005


def where(room, folder):
    return ["--bus", room.bus.url, "--store", f"sqlite:///{folder}/view.db", "--state", str(folder)]


def test_the_command_line_does_all_of_it(room, tmp_path):
    def run(*words):
        return CliRunner().invoke(app, ["dlq", *words, *where(room, tmp_path)])

    letter = a_letter(room, SUMMARY=SECRET, RESTRICTED=False)
    unreadable(room, "2016-11-01:8")
    room.normalise()
    listed = run("list", "--json", "--force", "leicestershire")
    assert [each["id"] for each in json.loads(listed.stdout)["letters"]] == room.ids()[::-1]
    assert SECRET not in run("show", letter).stdout
    assert SECRET in run("show", letter, "--unmasked", "--reason", "a complaint").stdout
    assert "fails" in run("replay", letter, "--dry-run").stdout
    assert "2 fails" in run("replay", "--all").stdout
    refused = run("replay")
    assert (refused.exit_code, "--all" in refused.output) == (1, True)
    mistaken = CliRunner().invoke(app, ["dlq", "list", "--bus", room.bus.url, "--state", "discarded"])
    assert (mistaken.exit_code, "say --status discarded" in mistaken.output) == (1, True)
    edited = run("edit", letter, "--set", "GRADE=2", "--reason", "typing error")
    assert "record" in edited.output
    approval = run("approve", letter)
    assert (approval.exit_code, "token" in approval.stderr) == (2, True)
    assert run("discard", letter).exit_code == 1
    assert "discarded 1 of 1" in run("discard", letter, "--reason", "rutland's").stdout
    file = tmp_path / "letters.jsonl"
    assert run("export", "--status", "all", "--to", str(file)).exit_code == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["state"] for line in lines] == ["discarded", "failed"]
    assert SECRET not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_ctrl_c_ends_a_replay_after_the_batch_under_way(room, tmp_path):
    for number in range(3):
        a_letter(room, INC_NO=number)
    first, *others = room.ids()

    def press():
        room.wait(lambda: room.case(first).state is State.FAILED)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    replayed = CliRunner().invoke(app, ["dlq", "replay", "--all", "--rate", "0.01", *where(room, tmp_path)])
    pressing.join()
    assert "1 fails; stopped" in replayed.output
    assert [room.case(each).state for each in others] == [State.OPEN, State.OPEN]
