"""A rebuild makes the same records from the bus, and keeps what only the store knows."""

import threading
import time

import pytest

from hub.errors import FatalError
from hub.view.rebuild import rebuild
from hub.view.session import Fresh
from tests.view_bus import CODEC, FORCES, INCIDENTS, stage
from tests.view_records import T0, incident, staff


@pytest.fixture
def scene(tmp_path, store_url):
    with stage(f"embedded://{tmp_path / 'bus.db'}", store_url) as made:
        made.publish("incident", *(incident(str(n), created=T0 + n) for n in range(6)))
        made.publish("incident", incident("1", 2, created=T0 + 1), incident("2", 2, deleted=True))
        made.publish("hr", staff("7"), staff("7", 2))
        view = made.view()
        made.settle(view)
        view.close()
        yield made


def _rebuild(scene, **more):
    return rebuild(scene.bus, scene.store, CODEC, FORCES, scene.metrics, **more)


def _records(query):
    return {
        item.record["id"]: item.record
        for domain in ("incident", "hr")
        for item in query.list_records(domain, include_deleted=True).items
    }


def test_the_records_are_the_same_and_nothing_is_counted_twice(scene):
    before, counts = _records(scene.query), scene.query.counts()
    assert _rebuild(scene) == 10
    assert _records(scene.query) == before
    assert scene.query.counts() == counts
    assert scene.counted("received") == 8


def test_whatever_the_current_tables_had_become_they_are_made_anew(scene):
    before = _records(scene.query)
    with scene.store._writer.transaction() as session:
        session.erase("incident", [incident("0")["id"]])
    assert _records(scene.query) != before
    _rebuild(scene)
    assert _records(scene.query) == before


def test_the_history_is_kept_though_the_bus_no_longer_has_it(scene):
    scene.bus.maintain(time.time() + 365 * 86_400)  # compaction leaves the newest of each key
    assert _rebuild(scene) == 7
    assert [v.source_version for v in scene.query.history("hr", staff("7")["id"])] == [2, 1]
    assert scene.query.get("hr", staff("7")["id"]).record["source_version"] == 2


def test_change_numbers_go_on_upwards_and_a_stream_gets_every_record_anew(scene):
    last = scene.query.last_change()
    _rebuild(scene)
    changes = scene.query.changes_after(last, 100)
    assert len(changes) == 7
    assert changes[0].number > last
    newest = scene.query.history("hr", staff("7")["id"])[0]
    assert newest.change_number == scene.query.get("hr", staff("7")["id"]).change_number > last


def test_nothing_is_called_fresh_until_everything_was_replayed(scene):
    scene.store.keep_freshness([Fresh("leicestershire", "incident", T0)], T0)
    scene.store.empty()
    assert {f.complete_to for f in scene.query.freshness()} == {None}


def test_a_rebuild_that_was_stopped_is_finished_by_the_next_view(scene):
    before, counts = _records(scene.query), scene.query.counts()
    stop = threading.Event()
    stop.set()
    assert _rebuild(scene, stop=stop) == 0
    assert _records(scene.query) == {}
    scene.publish("incident", incident("9"))
    scene.settle(scene.view())
    assert _records(scene.query).keys() == before.keys() | {incident("9")["id"]}
    assert scene.query.counts()["incident"]["leicestershire"]["received"] == 9
    assert scene.query.counts()["hr"] == counts["hr"]


def test_a_rebuild_is_refused_while_a_view_runs_and_changes_nothing(scene):
    before = _records(scene.query)
    scene.view().step()
    with pytest.raises(FatalError, match="stop it first"):
        _rebuild(scene)
    assert _records(scene.query) == before


def test_what_was_erased_does_not_come_back_even_for_a_moment(scene, monkeypatch):
    erased, after = incident("1"), incident("9")
    scene.send(INCIDENTS, (erased["id"].encode(), None))
    scene.publish("incident", after)
    view = scene.view()
    scene.settle(view)
    view.close()
    counts, numbers = scene.query.counts(), scene.query.last_change()
    monkeypatch.setattr("hub.view.loop.POLL_RECORDS", 1)
    applied, seen = scene.store.apply, list[str]()

    def apply(*what):
        told = applied(*what)
        seen.extend(change.record["id"] for change in scene.query.changes_after(numbers, 100))
        return told

    monkeypatch.setattr(scene.store, "apply", apply)
    assert _rebuild(scene) == 12
    assert after["id"] in seen
    assert erased["id"] not in seen
    assert scene.query.history("incident", erased["id"]) == []
    assert scene.query.counts() == counts


def test_a_rebuild_from_another_bus_takes_all_of_it_in(scene, store_url, tmp_path):
    with stage(f"embedded://{tmp_path / 'other.db'}", store_url) as other:
        other.publish("incident", incident("new"))
        other.send(INCIDENTS, (b"urn:alliance:incident:leicestershire:command:x", b"nonsense"))
        assert _rebuild(other) == 2
        assert _records(other.query).keys() == {incident("new")["id"]}
        assert len(other.letters(INCIDENTS)) == 1
        other.publish("incident", incident("newer"))
        other.settle(other.view())


def test_dead_letters_are_not_sent_again(scene):
    scene.send(INCIDENTS, (b"urn:alliance:incident:leicestershire:command:x", b"nonsense"))
    view = scene.view()
    scene.settle(view)
    view.close()
    assert len(scene.letters(INCIDENTS)) == 1
    _rebuild(scene)
    assert len(scene.letters(INCIDENTS)) == 1
    assert scene.query.counts()["incident"]["leicestershire"]["dead_lettered"] == 1
