"""The view: records reach the store once, whatever stops or is repeated on the way."""

import contextlib
import threading

import pytest

from hub.bus.contract import Offset
from hub.errors import ConfigurationError, FencedError, TransientError
from hub.view.intake import WINDOW
from hub.view.loop import GROUP, MOST_FENCED, TOPICS
from hub.view.session import Fresh, Move
from tests.stores import keys
from tests.view_bus import INCIDENTS, stage
from tests.view_records import T0, incident, staff


@pytest.fixture
def scene(tmp_path, store_url):
    with stage(f"embedded://{tmp_path / 'bus.db'}", store_url) as made:
        yield made


def test_records_of_all_domains_and_forces_reach_the_store(scene):
    scene.publish("incident", incident("1"), incident("2", force="northamptonshire"))
    scene.publish("hr", staff("7", force="nottinghamshire"))
    scene.settle(scene.view())
    assert keys(scene.query.list_records("incident")) == ["2", "1"]
    assert keys(scene.query.list_records("hr")) == ["7"]
    assert scene.query.counts()["hr"]["nottinghamshire"]["applied"] == 1
    assert scene.query.get("incident", incident("1")["id"]).record["summary"] == ""


def test_a_view_that_starts_again_goes_on_where_the_store_is(scene):
    first = scene.view()
    scene.publish("incident", incident("1"))
    scene.settle(first)
    first.close()
    scene.publish("incident", incident("2"))
    second = scene.view()
    scene.settle(second)
    assert second.taken == 1
    assert scene.query.counts()["incident"]["leicestershire"]["received"] == 2


def test_a_store_of_another_bus_is_refused_before_anything_is_missed(scene, store_url, tmp_path):
    scene.publish("incident", *(incident(str(n)) for n in range(10)))
    scene.settle(scene.view())
    with stage(f"embedded://{tmp_path / 'other.db'}", store_url) as other:
        other.publish("incident", incident("new"))
        with pytest.raises(ConfigurationError, match="belongs to another bus"):
            other.view().run(threading.Event())


def test_a_store_of_another_bus_is_refused_also_where_that_has_outgrown_it(scene, store_url, tmp_path):
    scene.publish("incident", *(incident(str(n)) for n in range(10)))
    scene.settle(scene.view())
    taken = scene.view().reached()
    with stage(f"embedded://{tmp_path / 'other.db'}", store_url) as other:
        other.publish("incident", *(incident(f"new {n}") for n in range(40)))
        with pytest.raises(ConfigurationError, match="belongs to another bus"):
            other.settle(other.view())
        assert other.view().reached() == taken
        assert len(other.query.list_records("incident").items) == 10


def test_a_bus_made_anew_under_a_running_view_stops_it(scene, monkeypatch):
    view = scene.view()
    scene.publish("incident", incident("1"))
    scene.settle(view)
    monkeypatch.setattr(scene.bus, "topic_ids", lambda topics: dict.fromkeys(topics, "another"))
    scene.now += 1
    with pytest.raises(ConfigurationError, match="belongs to another bus"):
        view.step()


def test_a_store_of_an_earlier_release_belongs_to_the_bus_that_it_meets_first(scene, store_url, tmp_path):
    first = scene.view()
    scene.publish("incident", *(incident(str(n)) for n in range(10)))
    scene.settle(first)
    first.close()
    with scene.store._writer.transaction() as session:
        session._execute("UPDATE kept_offsets SET topic_id = NULL")
    scene.publish("incident", incident("10"))
    scene.settle(scene.view())
    assert scene.query.counts()["incident"]["leicestershire"]["received"] == 11
    with stage(f"embedded://{tmp_path / 'other.db'}", store_url) as other:
        other.publish("incident", *(incident(f"new {n}") for n in range(40)))
        with pytest.raises(ConfigurationError, match="belongs to another bus"):
            other.settle(other.view())


@pytest.mark.parametrize("told", [0, 1_000_000])
def test_the_store_is_believed_and_not_the_offsets_on_the_bus(scene, told):
    scene.publish("incident", *(incident(str(n)) for n in range(10)))
    ends = scene.bus.end_offsets(TOPICS)
    scene.bus.reset_group(GROUP, {p: Offset(min(told, end)) for p, end in ends.items()})
    view = scene.view()
    scene.settle(view)
    assert view.taken == 10
    view.close()
    scene.bus.reset_group(GROUP, dict.fromkeys(ends, Offset(0)))
    again = scene.view()
    again.step()
    assert again.taken == 0
    assert scene.query.counts()["incident"]["leicestershire"]["received"] == 10


def test_lag_tools_see_how_far_the_view_is(scene):
    scene.publish("incident", incident("1"))
    view = scene.view()
    scene.settle(view)
    scene.now += 2
    view.step()
    told = {p: o.offset for p, o in scene.bus.group_offsets(GROUP, TOPICS).items()}
    ends = scene.bus.end_offsets(TOPICS)
    assert {p: told.get(p, 0) for p in ends} == ends
    assert scene.metric("lag_records", stage="view", topic=INCIDENTS) == 0


class _Failing:
    """A store that fails a few times: before it did anything, or after it did everything."""

    def __init__(self, store, failures, *, after):
        self._store, self._failures, self._after = store, failures, after

    def __getattr__(self, name):
        return getattr(self._store, name)

    def apply(self, batches, moves):
        if not self._failures:
            return self._store.apply(batches, moves)
        if self._after:
            self._store.apply(batches, moves)
        raise self._failures.pop()


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
def test_a_store_that_fails_for_a_while_loses_and_repeats_nothing(scene, after):
    real, scene.store = scene.store, _Failing(scene.store, [TransientError("away")] * 3, after=after)
    scene.publish("incident", *(incident(str(n)) for n in range(20)))
    stop, view = threading.Event(), scene.view()
    running = threading.Thread(target=view.run, args=(stop,))
    running.start()
    retried = {"stage": "view", "force": "leicestershire", "domain": "incident"}
    while sum(k.next_offset for k in real.kept(TOPICS).values()) < 20 or not scene.metric(
        "retries_total", **retried
    ):
        assert running.is_alive()
    stop.set()
    running.join(30)
    scene.store = real
    counts = scene.query.counts()["incident"]["leicestershire"]
    assert (counts["received"], counts["applied"], counts["visible"]) == (20, 20, 20)
    assert scene.metric("stage_stopped", stage="view", force="leicestershire", domain="incident") == 0


def test_one_bad_record_read_again_and_again_is_not_most_of_a_window(scene):
    failures = [TransientError("away")] * WINDOW
    scene.store = _Failing(scene.store, failures, after=False)
    scene.send(INCIDENTS, (incident("bad")["id"].encode(), b"nonsense"))
    view = scene.view()
    while failures:
        with contextlib.suppress(TransientError):
            view.step()
    scene.settle(view)
    assert scene.query.counts()["incident"]["leicestershire"]["dead_lettered"] == 1
    assert len(scene.letters(INCIDENTS)) == 1


def test_good_records_behind_many_bad_ones_are_taken_in(scene):
    scene.send(INCIDENTS, *((incident(f"bad {n}")["id"].encode(), b"nonsense") for n in range(WINDOW - 1)))
    view = scene.view()
    scene.settle(view)
    scene.publish("incident", *(incident(str(n)) for n in range(WINDOW // 2)))
    scene.settle(view)
    counts = scene.query.counts()["incident"]["leicestershire"]
    assert (counts["applied"], counts["dead_lettered"]) == (WINDOW // 2, WINDOW - 1)


def test_a_view_that_starts_tells_what_was_fresh_before(scene):
    scene.store.declare_feeds([("leicestershire", "hr")])
    scene.store.keep_freshness([Fresh("leicestershire", "hr", T0)], T0)
    scene.view().step()
    labels = {"stage": "view", "force": "leicestershire", "domain": "hr"}
    assert scene.metric("complete_to_timestamp_seconds", **labels) == T0 / 1_000_000


def test_a_view_that_was_relieved_once_looks_anew_and_goes_on(scene):
    scene.publish("incident", incident("1"))
    view = scene.view()
    scene.settle(view)
    where = scene.partition_of(incident("1"))
    scene.publish("incident", incident("1", 2))
    scene.store.apply([], {where: Move(1, 2)})  # another view took it
    with pytest.raises(TransientError, match="Another view"):
        view.step()
    scene.publish("incident", incident("1", 3))
    scene.settle(view)
    assert scene.query.get("incident", incident("1")["id"]).record["source_version"] == 3
    assert view.taken == 2


def _take_over(scene, where, version):
    """Publish a version, and let another view take it."""
    scene.publish("incident", incident("1", version))
    at = scene.store.kept(TOPICS)[where].next_offset
    scene.store.apply([], {where: Move(at, at + 1)})


def test_a_view_whose_offsets_others_keep_moving_stops(scene):
    scene.publish("incident", incident("1"))
    view = scene.view()
    scene.settle(view)
    where = scene.partition_of(incident("1"))
    for number in range(2, MOST_FENCED + 1):
        _take_over(scene, where, number)
        with pytest.raises(TransientError):
            view.step()
        view.step()
    _take_over(scene, where, MOST_FENCED + 1)
    with pytest.raises(FencedError, match="one set of views"):
        view.step()
    assert len(scene.query.history("incident", incident("1")["id"])) == 1


def test_erasure_leaves_nothing_of_a_record_and_later_versions_come_again(scene):
    record = incident("1")
    scene.publish("incident", record, incident("2"))
    scene.send(INCIDENTS, (record["id"].encode(), None))
    view = scene.view()
    scene.settle(view)
    assert scene.query.history("incident", record["id"]) == []
    assert keys(scene.query.list_records("incident")) == ["2"]
    scene.publish("incident", incident("1", 2))
    scene.settle(view)
    assert keys(scene.query.list_records("incident")) == ["2", "1"]


def test_metrics_count_every_outcome_and_time_from_the_change_to_the_view(scene):
    assert scene.counted("applied") is None
    view = scene.view()
    assert scene.counted("applied") == 0
    scene.now = T0 / 1_000_000 + 3
    scene.publish("incident", incident("1", changed_at=T0), incident("1", 2, read_at=T0 + 2_000_000))
    scene.publish("incident", incident("1"))
    while view.taken < 3:
        view.step()
    assert [scene.counted(o) for o in ("received", "applied", "superseded")] == [3, 2, 1]
    seconds = {"force": "leicestershire", "domain": "incident"}
    assert scene.metric("change_to_visible_seconds_count", **seconds) == 2
    assert scene.metric("change_to_visible_seconds_sum", **seconds) == pytest.approx(3 + 1)
    progress = scene.metric("last_progress_timestamp_seconds", stage="view", **seconds)
    assert progress == scene.now


def test_an_empty_round_is_progress_too(scene):
    view = scene.view()
    view.step()
    scene.now += 5
    view.step()
    labels = {"stage": "view", "force": "northamptonshire", "domain": "hr"}
    assert scene.metric("last_progress_timestamp_seconds", **labels) == scene.now


def test_a_view_that_gets_none_of_the_records_that_wait_makes_no_progress(scene, monkeypatch):
    view = scene.view()
    view.step()
    began = scene.now
    scene.publish("incident", incident("1"))
    monkeypatch.setattr(view._consumer, "poll", lambda **_: [])  # as where a fetch is never answered
    for _ in range(3):
        scene.now += 5
        view.step()
    labels = {"stage": "view", "force": "leicestershire", "domain": "incident"}
    assert scene.metric("last_progress_timestamp_seconds", **labels) == began
    monkeypatch.undo()
    scene.settle(view)
    assert scene.metric("last_progress_timestamp_seconds", **labels) == scene.now
