"""A hub that has seen everything, then stands still: its records put into a store that a test alters."""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import delete, update

from connectors.looks import Looker
from connectors.reconciliation import Reconciliation
from connectors.second_reading import SecondReading
from connectors.sources import open_source
from connectors.standins.busy import Busy
from connectors.standins.legacy import LegacySystems
from connectors.standins.mess import Mess
from connectors.standins.truth import TruthIncident
from hub.bus.contract import TopicPartition
from hub.cli.parts import builtin_force_folders
from hub.domains import DOMAINS
from hub.forces import load_forces
from hub.normalise.mapping import compile_mapping
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from hub.view.plan import change_taker
from hub.view.query import Query
from hub.view.session import Batch, Fresh, Move
from hub.view.tables import CURRENT
from tests.legacy import of
from tests.trial import hub_on

LINCOLNSHIRE = Path(__file__).parent / "forces" / "lincolnshire"
_FAST = {"poll_seconds": 0.01, "overlap_every_seconds": 0.05, "sweep_seconds": 0.05, "snapshot_seconds": 0.05}


class Scene:
    """The legacy systems, and every record that the hub made of them."""

    def __init__(self, legacy, records):
        self.legacy = legacy
        self.forces = legacy.forces
        self.codec = Codec(load_registry(self.forces))
        self.records = records

    def feed(self, force, domain="incident", **mapping):
        """The force's own feed, polled fast."""
        feed = self.forces[force].feeds[domain]
        fast = {name: value for name, value in _FAST.items() if name in feed.source or name == "poll_seconds"}
        if domain == "hr" and feed.source["kind"] == "sql":
            fast["snapshot_seconds"] = 0.05
        if feed.source["kind"] == "sql" and domain == "incident":
            fast["overlap_every_seconds"] = 0.05
        return dataclasses.replace(feed, source={**feed.source, **fast}, mapping={**feed.mapping, **mapping})

    def live(self, force, domain="incident"):
        """The hub's live records of a feed, in order of their ids."""
        found = [r for name, r in self.records if name == domain and r["force"] == force and not r["deleted"]]
        return sorted(found, key=lambda record: record["id"])

    def gone(self, force):
        """An incident that its system has deleted."""
        return next(
            r for name, r in self.records if name == "incident" and r["force"] == force and r["deleted"]
        )

    def show(self, store, complete_to=None):
        """Have a store show every record, complete to an hour from now unless told otherwise."""
        view = View(self, store)
        for domain in DOMAINS:
            view.put(domain, *(record for name, record in self.records if name == domain))
        upto = (time.time_ns() // 1000) + 3_600_000_000 if complete_to is None else complete_to
        feeds = [(force, domain) for force, each in self.forces.items() for domain in each.feeds]
        store.declare_feeds(feeds)
        store.keep_freshness([Fresh(*feed, upto) for feed in feeds], upto)
        return view

    def compare(self, store, feed, *, location=None, whole=True, patience=5):
        location = location or self.legacy.locations()[feed.force][feed.domain]
        with closing(SecondReading(feed, open_source(feed, location, None), self.codec)) as reading:
            looker = Looker(compile_mapping(feed), self.codec)
            return Reconciliation(reading, looker, Query(store, self.codec), whole=whole).run(patience)


class View:
    """A store, and what a test does to it behind the hub's back."""

    def __init__(self, scene, store):
        self._scene = scene
        self._store = store
        self._offset = 0

    def put(self, domain, *records):
        """Take in records as the view does."""
        topic = DOMAINS[domain].topic
        encode, take = self._scene.codec.encoder(topic), change_taker(DOMAINS[domain])
        changes = [take(record, encode(record)) for record in records]
        partition = TopicPartition(topic, 0)
        before = self._store.declare([partition])[partition].next_offset
        moves = {partition: Move(before, before + len(changes))}
        self._store.apply([Batch(domain, changes)], moves)

    def lose(self, domain, record):
        self._write(delete(CURRENT[domain]).where(CURRENT[domain].c.id == record["id"]))

    def alter(self, domain, record, **changed):
        """Show something else of a record, under the same version unless told otherwise."""
        table, after = CURRENT[domain], {**record, **changed}
        body = self._scene.codec.encoder(DOMAINS[domain].topic)(after)
        columns = {name: after[name] for name in ("source_version", "mapping_version", "deleted")}
        self._write(update(table).where(table.c.id == record["id"]).values(body=body, **columns))

    def add(self, domain, record, key):
        """Show a record more, the same as another but for its key."""
        identity = record["id"].removesuffix(record["source_key"]) + key
        self.put(domain, {**record, "id": identity, "source_key": key})

    def _write(self, statement):
        with self._store.reading() as connection:
            connection.execute(statement)
            connection.commit()


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Four forces' systems after a busy while, in which every force took an incident back."""
    forces = load_forces([*builtin_force_folders(), LINCOLNSHIRE])
    legacy = LegacySystems(
        folder / "legacy", forces, staff_scale=0.005, drop_seconds=0.1, extract_seconds=0.3
    )
    try:
        busy, mess = Busy(legacy), Mess(legacy)
        for _ in range(120):
            busy.change()
        for number in range(6):
            at = legacy.clock().replace(microsecond=0)
            words = {"opening": "101", "grade": "PRIORITY", "summary": f"number {number}"}
            legacy.raise_incident("lincolnshire", at, at.date(), **words)
        with hub_on(legacy, folder / "state", forces=(LINCOLNSHIRE,)) as running:
            running.catch_up()
            for force in legacy.incidents:
                mess.take_back(of(legacy.truth(), force, TruthIncident)[0])
            running.catch_up()
            found = [
                (domain, item.record)
                for domain in DOMAINS
                for item in running.query.list_records(domain, include_deleted=True, limit=1000).items
            ]
        yield Scene(legacy, found)
    finally:
        legacy.close()
