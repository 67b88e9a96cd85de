"""An erasure takes a record out of the view, at its place in the order, and unbalances no count."""

import contextlib
import threading
from typing import Any

import pytest

from hub.cli import accounts
from hub.dead_letters.book import Book, topics_of
from hub.normalise.loop import GROUP as NORMALISERS
from hub.normalise.loop import Normaliser
from hub.view.loop import TOPICS, View
from hub.view.query import Query
from hub.view.store import open_store
from tests.connecting import Bench, batch, row
from tests.stores import keys


class Way:
    """A bus with the connector's topics, and what stands behind it: normaliser, view, store."""

    def __init__(self, folder, store_url):
        self.bench = Bench(folder)
        self.bus, self.codec, self.feed = self.bench.bus, self.bench.codec, self.bench.feed()
        self.store = open_store(store_url)
        self.query = Query(self.store, self.codec)

    def erase(self, key):
        producer = self.bus.producer("who erases")
        producer.begin()
        producer.send(self.feed.topic, key, None)
        producer.commit()

    def settle(self):
        """Have everything normalised and taken into the view."""
        forces, metrics = self.bench.forces, self.bench.metrics
        stop = threading.Event()
        normaliser = Normaliser(self.bus, forces, self.codec, metrics)
        running = threading.Thread(target=normaliser.run, args=(stop,))
        running.start()
        while not self._passed(self.bus.group_offsets(NORMALISERS, [self.feed.topic]), [self.feed.topic]):
            assert running.is_alive()
        stop.set()
        running.join(60)
        view = View(self.bus, self.store, self.codec, forces, metrics)
        while not self._passed(self.store.kept(TOPICS), TOPICS):
            view.step()
        view.close()

    def _passed(self, reached, topics):
        ends = self.bus.end_offsets(topics).items()
        return all(end <= (reached[tp][0] if tp in reached else 0) for tp, end in ends)

    def account(self, rows):
        """What the trial's account says, where the legacy system has so many rows."""
        view = self.query.counts()["incident"]["leicestershire"]
        parts: Any = self
        client: Any = None
        with contextlib.closing(Book(self.bus, self.codec, topics_of([self.feed]))) as book:
            book.refresh()
            return accounts._account(parts, self.feed, lambda *_: rows, view, client, book)


@pytest.fixture
def way(tmp_path, store_url, monkeypatch):
    made = Way(tmp_path, store_url)
    live = {"force": "leicestershire"}
    paged = monkeypatch.setattr
    paged(accounts, "_page_through", lambda *_: len(made.query.list_records("incident", filters=live).items))
    with contextlib.closing(made.bus), contextlib.closing(made.store):
        yield made


def test_an_erased_record_is_gone_and_the_counts_still_balance(way):
    way.bench.publish(way.feed, batch(row(1), row(2)), batch(row(1, "2")), batch(row(1, None, removed=True)))
    way.settle()
    assert list(way.account(1).faults()) == []
    (gone,) = [
        i for i in way.query.list_records("incident", include_deleted=True).items if i.record["deleted"]
    ]
    way.erase(gone.record["id"].encode())
    way.settle()
    assert way.query.get("incident", gone.record["id"]) is None
    assert way.query.history("incident", gone.record["id"]) == []
    account = way.account(1)
    assert list(account.faults()) == []
    assert (account.view["erased"], account.view["deleted"], account.view["received"]) == (1, 0, 5)
    kept = way.bus.group_offsets(NORMALISERS, [way.feed.topic]).values()
    assert sum('"erased": 1' in offset.metadata for offset in kept) == 1
    for stage in ("normalise", "view"):
        of = {"stage": stage, "force": "leicestershire", "domain": "incident", "outcome": "erased"}
        assert way.bench.metrics.registry.get_sample_value("alliance_hub_records_total", of) == 1


def test_a_record_that_its_source_still_has_comes_back_when_its_connector_starts_anew(way):
    way.bench.publish(way.feed, batch(row(1), row(2)))
    way.settle()
    erased = way.query.list_records("incident").items[0].record["id"]
    way.erase(erased.encode())
    way.settle()
    assert len(keys(way.query.list_records("incident"))) == 1
    way.bench.publish(way.feed, batch(), batch(row(1), row(2)))
    way.settle()
    assert way.query.get("incident", erased).record["source_version"] == 1
    assert list(way.account(2).faults()) == []


def test_an_erasure_of_no_record_changes_nothing_and_stops_nothing(way):
    way.bench.publish(way.feed, batch(row(1)))
    for key in (b"nothing", b"\xff\xfe", b"nul \0 within", b""):
        way.erase(key)
    way.settle()
    assert len(keys(way.query.list_records("incident"))) == 1
    assert way.query.counts()["incident"]["unknown"]["erased"] == 3
    assert way.query.counts()["incident"]["unknown"]["dead_lettered"] == 1
