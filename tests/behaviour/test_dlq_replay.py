"""Dead letters are edited, approved and replayed, never over a newer version, and keep their history."""

import threading

import pytest

from hub.access import LOCAL
from hub.dead_letters.cases import State
from hub.dead_letters.search import Search
from hub.errors import BadQueryError, NotAllowedError
from tests.dead_letters import ANNA, BILAL, INCIDENTS, Letters, good, unreadable, whole

KEY = "2016-11-01:7"


@pytest.fixture
def room(tmp_path):
    made = Letters(tmp_path)
    yield made
    made.close()


def set_aside(room, *keys, then=()):
    """Letters of these records, one each, and events that came after them."""
    for key in keys:
        unreadable(room, key)
    room.publish(INCIDENTS, *then)
    room.normalise()
    room.view()
    return room.ids()


def test_an_edited_record_is_replayed_once_another_person_approved_it(room):
    (letter,) = set_aside(room, KEY)
    assert room.replay(letter) == {letter: "fails"}

    room.office.edit(ANNA, letter, value=whole(GRADE="1"), why="the schema was too new")
    assert room.replay(letter, who=ANNA) == {letter: "unapproved"}
    assert room.versions(KEY) == []
    room.office.approve(BILAL, letter, why="as the force says")
    assert room.replay(letter, who=ANNA) == {letter: "passes"}

    room.view()
    assert room.versions(KEY) == [1]
    assert room.case(letter).state is State.REPLAYED
    assert [act.what for act in room.case(letter).acts] == [
        "failed",
        "edited",
        "approved",
        "sent",
        "replayed",
    ]
    assert [act.by for act in room.case(letter).acts] == ["local", "anna", "bilal", "anna", "anna"]


def test_who_edited_may_not_approve_and_nobody_without_a_token(room):
    (letter,) = set_aside(room, KEY)
    room.office.edit(BILAL, letter, value=whole())

    with pytest.raises(NotAllowedError, match="another person must approve"):
        room.office.approve(BILAL, letter)
    with pytest.raises(NotAllowedError, match="give --token"):
        room.office.approve(LOCAL, letter)
    with pytest.raises(NotAllowedError, match="no role that may approve"):
        room.office.approve(ANNA, letter)
    assert room.replay(letter) == {letter: "unapproved"}


def test_an_edit_after_the_approval_needs_another_one(room):
    (letter,) = set_aside(room, KEY)
    room.office.edit(ANNA, letter, value=whole(GRADE="1"))
    room.office.approve(BILAL, letter)
    room.office.edit(ANNA, letter, fields={"GRADE": "2"})
    assert room.replay(letter) == {letter: "unapproved"}


def test_approval_may_be_configured_away(tmp_path):
    room = Letters(tmp_path, approval=False)
    (letter,) = set_aside(room, KEY)
    room.office.edit(LOCAL, letter, value=whole())
    assert room.replay(letter) == {letter: "passes"}
    room.close()


def test_an_edit_may_not_make_it_another_record_or_version(room):
    (letter,) = set_aside(room, KEY)
    with pytest.raises(BadQueryError, match="which record and version"):
        room.office.edit(ANNA, letter, value=whole("2016-11-01:8"))
    with pytest.raises(BadQueryError, match="cannot be taken"):
        room.office.edit(ANNA, letter, value=whole() | {"row": 7})
    with pytest.raises(BadQueryError, match="give the record whole"):
        room.office.edit(ANNA, letter, fields={"GRADE": "2"})
    assert room.case(letter).state is State.OPEN


def test_a_dry_run_tells_how_many_would_pass_and_how_many_are_stale_and_does_nothing(room):
    keys = [f"2016-11-01:{n}" for n in range(4)]
    newer = good(keys[2], 2)
    first, second, third, _ = set_aside(room, *keys, then=[newer])
    for letter, key in zip((first, second, third), keys, strict=False):
        room.office.edit(ANNA, letter, value=whole(key))
        room.office.approve(BILAL, letter)
    before = len(room.messages("alliance.incident.v1"))

    found = room.office.dry_run(ANNA, Search())

    assert [str(each.verdict) for each in found] == ["passes", "passes", "stale", "fails"]
    assert len(room.messages("alliance.incident.v1")) == before
    assert room.case(first).state is State.APPROVED


def test_a_stale_record_never_overwrites_a_newer_one_whether_the_view_has_it_or_not(room):
    other = "2016-11-01:8"
    seen, unseen = set_aside(room, KEY, other, then=[good(KEY, 2)])
    room.publish(INCIDENTS, good(other, 2))
    room.normalise()  # and the view has not read it
    for letter, key in ((seen, KEY), (unseen, other)):
        room.office.edit(ANNA, letter, value=whole(key, 1, GRADE="5"))
        room.office.approve(BILAL, letter)

    assert room.replay() == {seen: "stale", unseen: "stale"}

    room.view()
    assert (room.versions(KEY), room.versions(other)) == ([2], [2])
    assert room.case(seen).state is State.APPROVED
    assert room.case(seen).acts[-1].what == "stale"


def test_where_a_newer_version_comes_between_look_and_commit_it_is_the_last_again(room, monkeypatch):
    (letter,) = set_aside(room, KEY)
    room.office.edit(ANNA, letter, value=whole(KEY, 1))
    room.office.approve(BILAL, letter)
    from hub.dead_letters.writer import Pen

    put, passed = Pen.send, list[bool]()

    def send_late(pen, *message, **more):
        if not passed:  # the normaliser is quicker than our commit
            passed.append(True)
            room.publish(INCIDENTS, good(KEY, 2))
            room.normalise()
        put(pen, *message, **more)

    monkeypatch.setattr(Pen, "send", send_late)
    assert room.replay(letter) == {letter: "passes"}

    assert room.versions(KEY) == [2, 1, 2]
    sent = room.messages("alliance.incident.v1")
    assert sent[0].value == sent[2].value
    assert dict(sent[0].headers)["ce_id"] == dict(sent[2].headers)["ce_id"]
    assert room.case(letter).state is State.REPLAYED
    assert room.office.writer.book.counts("leicestershire", "incident") == {
        "resent": 1,
        "replayed_normalise": 1,
    }
    room.view()
    assert (
        room.query.get("incident", f"urn:alliance:incident:leicestershire:command:{KEY}").record[
            "source_version"
        ]
        == 2
    )


def test_letters_of_one_record_are_replayed_in_order(room):
    for _ in range(3):
        unreadable(room, KEY)
    room.normalise()
    letters = room.ids()
    for version, letter in enumerate(letters, 1):
        room.office.edit(ANNA, letter, value=whole(KEY, version))
        room.office.approve(BILAL, letter)

    assert set(room.replay(*reversed(letters)).values()) == {"passes"}
    assert room.versions(KEY) == [1, 2, 3]


def test_one_that_fails_again_keeps_its_history(room):
    (letter,) = set_aside(room, KEY)
    room.replay(letter, who=ANNA, why="first try")
    room.replay(letter, who=BILAL, why="second try")

    case = room.case(letter)
    assert case.state is State.FAILED
    assert [(act.what, act.by) for act in case.acts] == [("failed", "anna"), ("failed", "bilal")]
    assert all("schema" in act.why for act in case.acts)
    assert room.ids() == [letter]


def test_a_replay_can_be_stopped_between_batches_and_goes_on_where_it_was(room):
    keys = [f"2016-11-01:{n}" for n in range(5)]
    letters = set_aside(room, *keys)
    for letter, key in zip(letters, keys, strict=True):
        room.office.edit(ANNA, letter, value=whole(key))
        room.office.approve(BILAL, letter)
    stop, told = threading.Event(), []

    def tell(found):
        told.extend(found)
        if len(told) == 2:
            stop.set()

    found = room.office.reading.find(ANNA, Search())
    room.office.replay(ANNA, found, why="", per_second=1.9, stop=stop, tell=tell)
    assert [each.letter for each in told] == letters[:2]
    assert set(room.replay()) == set(letters[2:])


def test_a_process_that_ended_after_it_sent_leaves_no_letter_half_done(room, monkeypatch):
    (letter,) = set_aside(room, KEY)
    room.office.edit(ANNA, letter, value=whole(KEY, 1))
    room.office.approve(BILAL, letter)
    from hub.dead_letters.replay import Replay

    with monkeypatch.context() as patch:
        patch.setattr(Replay, "_send_again", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            room.replay(letter)
    assert room.case(letter).state is State.SENT

    room.now += 3600
    room.office.settle(older_than_seconds=60)
    assert room.case(letter).state is State.REPLAYED
    assert room.versions(KEY) == [1]


def test_every_act_is_in_the_audit_log_with_who_and_why(room):
    first, second = set_aside(room, KEY, "2016-11-01:8")
    room.office.edit(ANNA, first, value=whole(), why="typing error")
    room.office.approve(BILAL, first, why="checked by telephone")
    room.replay(first, who=ANNA, why="go on")
    room.office.discard(ANNA, room.office.reading.find(ANNA, Search(ids=(second,))), "a test call")

    acts = [(e["verb"], e["principal"], e["justification"]) for e in room.audit()]
    assert acts == [
        ("edit", "anna", "typing error"),
        ("approve", "bilal", "checked by telephone"),
        ("replay", "anna", "go on"),
        ("discard", "anna", "a test call"),
    ]
    assert room.audit()[0]["records"] == [f"urn:alliance:incident:leicestershire:command:{KEY}"]


def test_a_discard_needs_a_reason(room):
    (letter,) = set_aside(room, KEY)
    found = room.office.reading.find(LOCAL, Search())
    with pytest.raises(BadQueryError, match="needs a reason"):
        room.office.discard(LOCAL, found, "  ")
    assert room.case(letter).state is State.OPEN
    assert room.office.discard(LOCAL, found, "duplicate") == []
    assert room.case(letter).state is State.DISCARDED
    assert room.replay(letter) == {}


def test_many_are_discarded_so_many_at_a_time_each_with_its_audit_entry(room, monkeypatch):
    monkeypatch.setattr("hub.dead_letters.office._AT_ONCE", 2)
    letters = set_aside(room, *(f"2016-11-01:{n}" for n in range(3)))
    assert room.office.discard(LOCAL, room.office.reading.find(LOCAL, Search()), "test calls") == []
    assert {room.case(letter).state for letter in letters} == {State.DISCARDED}
    told = [len(entry["records"]) for entry in room.audit() if entry["verb"] == "discard"]
    assert told == [2, 1]


def test_two_offices_at_once_never_lose_an_act(room):
    letters = set_aside(room, *(f"2016-11-01:{n}" for n in range(4)))
    other = room.new_office()

    def discard(office, which):
        for letter in which:
            office.discard(LOCAL, office.reading.find(LOCAL, Search(ids=(letter,))), "at once")

    threads = [
        threading.Thread(target=discard, args=a) for a in ((room.office, letters[:2]), (other, letters[2:]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {room.case(letter).state for letter in letters} == {State.DISCARDED}
    other.writer.book.close()
