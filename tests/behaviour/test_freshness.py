"""A quiet source is fresh, a silent one is stale, whichever part died."""

import contextlib

import pytest

from hub.bus.contract import Offset
from hub.errors import TransientError
from hub.normalise.loop import GROUP as NORMALISERS
from hub.view import loop
from hub.view.freshness import MOST_PENDING, NORMALISER_GROUP, FreshnessPipeline
from tests.view_bus import CODEC, FORCES, INCIDENTS, stage
from tests.view_records import T0, incident

SECOND = 1_000_000
FORCE, TOPIC = "leicestershire", "leicestershire.incident.v1"


@pytest.fixture
def scene(tmp_path, monkeypatch):
    monkeypatch.setattr(
        loop, "POLL_SECONDS", 0.005
    )  # the clock is the test's, so nothing is worth waiting for
    with stage(f"embedded://{tmp_path / 'bus.db'}", f"sqlite:///{tmp_path / 'store.db'}") as made:
        yield made


class Connector:
    """Publishes events, and says how far it is complete, unless killed."""

    def __init__(self, scene):
        self._scene = scene
        self.alive = True

    def turn(self, micros, *keys):
        if self.alive:
            if keys:  # what is in them is for the normaliser alone
                self._scene.send(TOPIC, *((key.encode(), b"an event") for key in keys))
            self._scene.complete(FORCE, "incident", micros)


class Normaliser:
    """Publishes an alliance record for each event and passes it, unless killed."""

    def __init__(self, scene):
        self._scene = scene
        self._seen = set()
        self.alive = True

    def turn(self):
        if not self.alive:
            return
        keys = {event.key.decode() for event in self._scene.bus.read_all(TOPIC)} - self._seen
        if keys:
            self._scene.publish("incident", *map(incident, keys))
        self._seen |= keys
        self._scene.normalised(TOPIC)


class Pipeline:
    """The three stages of one force, and the second that all their clocks show."""

    def __init__(self, scene):
        self.scene = scene
        self.connector, self.normaliser = Connector(scene), Normaliser(scene)
        self.view = scene.view()
        self.view_alive = True
        self.second = 0

    def go_on(self, seconds, *keys, by=1):
        """Let time pass; new events are published in the first second."""
        for _ in range(0, seconds, by):
            self.second += by
            self.connector.turn(T0 + self.second * SECOND, *keys)
            keys = ()
            self.normaliser.turn()
            self.scene.now = T0 / SECOND + self.second
            if self.view_alive:
                self.view.step()
                self.view.step()

    def age(self, domain="incident"):
        """How many seconds lie between now and what is known to be visible."""
        known = {(f.force, f.domain): f for f in self.scene.query.freshness()}[FORCE, domain]
        return None if known.complete_to is None else self.second - (known.complete_to - T0) // SECOND


@pytest.fixture
def pipeline(scene):
    return Pipeline(scene)


def test_the_normalisers_group_is_the_one_waited_for():
    assert NORMALISER_GROUP == NORMALISERS


def test_a_feed_of_which_nothing_is_known_is_told_as_such(pipeline):
    pipeline.connector.alive = False
    pipeline.go_on(3)
    feeds = pipeline.scene.query.freshness()
    assert {(f.force, f.domain) for f in feeds} == {(f, d) for f in FORCES for d in FORCES[f].feeds}
    assert {f.complete_to for f in feeds} == {None}


def test_an_hour_of_quiet_is_fresh(pipeline):
    pipeline.go_on(3, "1", "2")
    pipeline.go_on(3600, by=120)
    assert pipeline.age() <= 1
    fresh = pipeline.scene.metric(
        "complete_to_timestamp_seconds", stage="view", force=FORCE, domain="incident"
    )
    assert T0 / SECOND + pipeline.second - fresh <= 1


def test_a_source_that_never_had_a_record_is_fresh(pipeline):
    pipeline.go_on(5)
    assert pipeline.age() <= 1


def test_one_quiet_feed_says_nothing_of_another(pipeline):
    pipeline.go_on(5)
    assert pipeline.age("incident") <= 1
    assert pipeline.age("hr") is None


def test_a_dead_connector_shows_stale_and_fresh_again_once_it_is_back(pipeline):
    pipeline.go_on(3, "1")
    pipeline.connector.alive = False
    pipeline.go_on(60, by=10)
    assert pipeline.age() >= 60
    pipeline.connector.alive = True
    pipeline.go_on(2)
    assert pipeline.age() <= 1


def test_a_dead_normaliser_shows_stale_and_fresh_again_once_it_is_back(pipeline):
    pipeline.go_on(3, "1")
    pipeline.normaliser.alive = False
    pipeline.go_on(60, "2", by=10)
    assert pipeline.age() >= 60
    pipeline.normaliser.alive = True
    pipeline.go_on(2)
    assert pipeline.age() <= 1
    assert pipeline.scene.query.get("incident", incident("2")["id"]) is not None


def test_a_dead_view_shows_stale_and_fresh_again_once_another_runs(pipeline):
    pipeline.go_on(3, "1")
    pipeline.view_alive = False
    pipeline.go_on(60, "2", by=10)
    assert pipeline.age() >= 60
    pipeline.view.close()
    pipeline.view, pipeline.view_alive = pipeline.scene.view(), True
    pipeline.go_on(3)
    assert pipeline.age() <= 1


def test_under_constant_load_freshness_goes_on_with_each_check(pipeline):
    for number in range(20):
        pipeline.go_on(1, f"a{number}", f"b{number}")
        assert pipeline.age() is None or pipeline.age() <= 2
    assert pipeline.age() <= 1


def _fresh(pipeline, kept):
    return [f.complete_to for f in pipeline.advance(lambda: kept)]


def test_a_time_counts_only_once_every_stage_has_passed_what_was_there_before_it(scene):
    pipeline = FreshnessPipeline(scene.bus, CODEC, FORCES[FORCE].feeds.values())
    kept = dict.fromkeys(scene.bus.end_offsets([INCIDENTS]), 0)
    scene.send(TOPIC, (b"1", b"an event"))
    scene.complete(FORCE, "incident", 100)
    assert _fresh(pipeline, kept) == []  # the normaliser has not passed the event
    scene.publish("incident", incident("1"))
    assert _fresh(pipeline, kept) == []
    scene.normalised(TOPIC)
    assert _fresh(pipeline, kept) == []  # the store has not passed the record
    scene.publish("incident", incident("2"))  # what came later need not be waited for
    kept[scene.partition_of(incident("1"))] = 1
    assert _fresh(pipeline, kept) in ([100], [])
    kept |= scene.bus.end_offsets([INCIDENTS])
    scene.complete(FORCE, "incident", 200)
    assert _fresh(pipeline, kept)[-1] == 200
    assert _fresh(pipeline, kept) == []
    pipeline.close()


def test_a_stage_that_stands_still_costs_no_more_memory_and_freshness_jumps_when_it_goes_on(scene):
    pipeline = FreshnessPipeline(scene.bus, CODEC, FORCES[FORCE].feeds.values())
    scene.send(TOPIC, (b"1", b"an event"))
    for number in range(MOST_PENDING + 20):
        scene.complete(FORCE, "incident", number + 1)
        assert _fresh(pipeline, {}) == []
    (waiting,) = [p for p in pipeline._pipelines.values() if p.at_normaliser]
    assert len(waiting.at_normaliser) == MOST_PENDING
    scene.normalised(TOPIC)
    assert _fresh(pipeline, {}) == [MOST_PENDING + 20]
    pipeline.close()


def test_behind_a_stage_that_lags_the_oldest_times_are_told_first(scene):
    pipeline = FreshnessPipeline(scene.bus, CODEC, FORCES[FORCE].feeds.values())
    for number in range(MOST_PENDING + 20):
        scene.send(TOPIC, (b"1", b"an event"))
        scene.complete(FORCE, "incident", number + 1)
        assert _fresh(pipeline, {}) == []
    (partition,) = [tp for tp, end in scene.bus.end_offsets([TOPIC]).items() if end]
    scene.bus.reset_group(NORMALISERS, {partition: Offset(1)})
    assert _fresh(pipeline, {}) == [1]
    pipeline.close()


def test_other_entries_of_a_position_say_nothing_of_freshness(scene):
    pipeline = FreshnessPipeline(scene.bus, CODEC, FORCES[FORCE].feeds.values())
    topic = f"{FORCE}.positions.v1"
    entry = {
        "force": FORCE,
        "domain": "incident",
        "system": "command",
        "value": "null",
        "counts": {},
        "at": 1,
    }
    encode = CODEC.encoder(topic)
    scene.send(
        topic,
        (b"incident/command/file/", encode(entry | {"name": "file/", "complete_to": 5})),
        (b"incident/command/", encode(entry | {"name": "", "complete_to": None})),
        (b"incident/command/", None),
    )
    assert _fresh(pipeline, {}) == []
    pipeline.close()


def test_what_a_failing_store_kept_from_being_told_is_told_once_it_answers(pipeline, monkeypatch):
    pipeline.go_on(2, "1")
    store, step, calls = pipeline.scene.store, pipeline.view.step, []
    keep = store.keep_freshness

    def fail_at_first(*given):
        calls.append(given)
        if len(calls) <= 5:
            raise TransientError("away")
        keep(*given)

    def step_through_failures():
        with contextlib.suppress(TransientError):
            step()

    monkeypatch.setattr(store, "keep_freshness", fail_at_first)
    monkeypatch.setattr(pipeline.view, "step", step_through_failures)
    pipeline.go_on(1, "2")
    pipeline.connector.alive = False  # nothing newer comes that would tell it
    pipeline.go_on(20)
    assert len(calls) > 5
    assert pipeline.age() == 20


def test_a_position_that_cannot_be_read_leaves_its_feed_stale_and_stops_nothing(pipeline):
    pipeline.go_on(2, "1")
    pipeline.scene.send(f"{FORCE}.positions.v1", (b"incident/command/", b"nonsense"))
    pipeline.go_on(3, "2")
    assert pipeline.age() <= 1
    assert pipeline.scene.counted("applied") == 2
