"""Two normalisers are replaced one by one while events go on, whose schema and mapping grow meanwhile."""

import itertools
import threading
from contextlib import contextmanager

import pytest

from hub.bus import open_bus
from hub.bus.topics import apply, specs
from hub.forces import load_forces
from hub.metrics import Metrics
from hub.normalise.loop import Normaliser
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from hub.view.loop import View
from hub.view.query import Query
from hub.view.store import open_store
from tests.kafka_broker import own_broker
from tests.mapped import event, two_releases
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.kafka]

KEYS, BATCH = 40, 20


class Release:
    """The force as one release of the hub knows it: its schemas, its mapping."""

    def __init__(self, folder):
        self.forces = load_forces([folder])
        self.codec = Codec(load_registry(self.forces))
        self.feed = self.forces["lincolnshire"].feeds["incident"]
        self.columns = {"Channel": "999"} if folder.parent.name == "later" else {}

    def encode(self, key, version):
        columns = {"Description": f"version {version}", **self.columns}
        made = event(self.feed, key=key, version=version, **columns)
        return made["record_id"].encode(), self.codec.encoder(self.feed.topic)(made)


@pytest.fixture
def releases(tmp_path):
    """The first release, and one whose schema has a column more, which its mapping reads."""
    now, later = two_releases(tmp_path)
    return Release(now), Release(later)


class Running:
    """A stage in a thread of its own, with a bus of its own, as another process would have."""

    def __init__(self, bus_url, make):
        self._bus = open_bus(bus_url)
        self.metrics = Metrics()
        self._stop = threading.Event()
        stage = make(self._bus, self.metrics)
        self._thread = threading.Thread(target=stage.run, args=(self._stop,))
        self._thread.start()

    def normalised(self):
        labels = {
            "stage": "normalise",
            "force": "lincolnshire",
            "domain": "incident",
            "outcome": "normalised",
        }
        return self.metrics.registry.get_sample_value("alliance_hub_records_total", labels)

    def stop(self):
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join(60)
            assert not self._thread.is_alive()
            self._bus.close()


class Writer(threading.Thread):
    """Writes version after version of the same incidents, as the release writes that is set."""

    def __init__(self, bus, release):
        super().__init__()
        self.release = release
        self.last = dict.fromkeys((f"2016-11-01:{n}" for n in range(KEYS)), 0)
        self.written = 0
        self.stopped = threading.Event()
        self._producer = bus.producer("test.connector")

    def run(self):
        for keys in self._batches():
            release = self.release
            self._producer.begin()
            for key in keys:
                self.last[key] += 1
                self._producer.send(release.feed.topic, *release.encode(key, self.last[key]))
            self._producer.commit()
            self.written += len(keys)
            if self.stopped.wait(0.02):
                return

    def _batches(self):
        keys = itertools.cycle(self.last)
        while True:
            yield [next(keys) for _ in range(BATCH)]


class Scene:
    """A broker, a view, two places for normalisers, and a writer that goes on through it all."""

    def __init__(self, bus_url, store_url, now):
        self.url = bus_url
        self.bus = open_bus(bus_url)
        apply(self.bus, specs(now.forces, partitions=4))
        self.store = open_store(store_url)
        self.query = Query(self.store, now.codec)
        self.writer = Writer(self.bus, now)
        self.view = Running(bus_url, lambda bus, m: View(bus, self.store, now.codec, now.forces, m))
        self.normalisers = {}

    def start(self, instance, release):
        started = Running(
            self.url,
            lambda bus, metrics: Normaliser(bus, release.forces, release.codec, metrics, instance=instance),
        )
        self.normalisers[instance] = started
        return started

    def replace(self, instance, release):
        """Stop one; see that the view goes on without it; start the other in its place."""
        self.normalisers[instance].stop()
        self.goes_on()
        started = self.start(instance, release)
        wait_until(lambda: started.normalised() > BATCH, lambda: f"the new {instance} does its share")
        self.goes_on()

    def applied(self):
        return self.query.counts()["incident"].get("lincolnshire", {}).get("applied", 0)

    def goes_on(self):
        before = self.applied()
        wait_until(lambda: self.applied() > before + BATCH, lambda: f"the view goes on from {before}")

    def close(self):
        self.writer.stopped.set()
        if self.writer.is_alive():
            self.writer.join(60)
        for each in (*self.normalisers.values(), self.view):
            each.stop()
        self.store.close()
        self.bus.close()


@contextmanager
def scene_of(bus_url, store_url, now):
    made = Scene(bus_url, store_url, now)
    try:
        yield made
    finally:
        made.close()


def test_normalisers_are_replaced_one_by_one_and_the_view_is_whole_and_in_order(releases, tmp_path):
    now, later = releases
    broker = own_broker()
    with scene_of(f"kafka://{broker.address}", f"sqlite:///{tmp_path / 'store.db'}", now) as scene:
        both = [scene.start(instance, now) for instance in ("1", "2")]
        scene.writer.start()
        wait_until(lambda: all(n.normalised() > BATCH for n in both), lambda: "both do their share")
        scene.replace("1", later)  # one of each release share the partitions
        scene.replace("2", later)
        scene.writer.release = later  # the connector comes last: all who read know its schema
        before = scene.writer.written
        wait_until(lambda: scene.writer.written > before + 2 * KEYS, lambda: "all was written anew")
        scene.writer.stopped.set()
        scene.writer.join(60)
        wait_until(
            lambda: scene.applied() >= scene.writer.written,
            lambda: f"{scene.applied()} of {scene.writer.written} are applied",
        )
        assert_whole_and_in_order(scene)
    broker.stop()


def assert_whole_and_in_order(scene):
    counts = scene.query.counts()["incident"]["lincolnshire"]
    assert (counts["applied"], counts["superseded"]) == (scene.writer.written, 0)
    mappings = set()
    for key, last in scene.writer.last.items():
        history = scene.query.history("incident", f"urn:alliance:incident:lincolnshire:control:{key}")
        assert [version.source_version for version in history] == list(range(last, 0, -1))
        numbers = [version.change_number for version in history]
        assert numbers == sorted(numbers, reverse=True)
        newest = history[0].record
        assert (newest["summary"], newest["niche_reference"]) == (f"version {last}", "999")
        mappings |= {version.record["mapping_version"] for version in history}
    assert mappings == {1, 2}
    for topic in ("lincolnshire.incident.v1.dlq", "alliance.incident.v1.dlq"):
        assert list(scene.bus.read_all(topic)) == []
