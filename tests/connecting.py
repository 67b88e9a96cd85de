"""Runs a connector on a scripted day: acts on the legacy system whenever all before it was read."""

import contextlib
import dataclasses
import hashlib
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from connectors.loop import Connector
from connectors.positions import Positions
from connectors.source import Batch, Refused, Row
from connectors.sources import open_source
from hub.bus import open_bus
from hub.bus.topics import apply, specs
from hub.dead_letters import dead_letter_topic
from hub.forces import load_forces
from hub.metrics import Metrics
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from tests.waiting import PATIENCE_SECONDS, wait_until

LEICESTERSHIRE = Path(__file__).parent.parent / "connectors" / "leicestershire"
INCIDENTS = "V_INCIDENT"
PEOPLE = "V_PERSON"
AT = "2016-11-01 12:00:{:02}"

INCIDENT_TEXTS = (
    "INC_DATE CREATED FIRST_DESPATCH FIRST_ARRIVAL CLOSED STATUS_CODE GRADE OPEN_CODE CLOSE_CODE QUALS "
    "SUMMARY LOC_TEXT POSTCODE UPRN BEAT UNITS NICHE_REF MARKING LAST_UPDATED CALLER_NAME CALLER_PHONE"
)
INCIDENT_NUMBERS = "INC_NO EASTING NORTHING RESTRICTED IS_DELETED"
PERSON_TEXTS = (
    "STAFF_NO TYPE RANK RANK_TYPE RANK_UNTIL SURNAME FORENAMES UNIT STATION STATION_POSTCODE SKILLS DUTY "
    "DUTY_START DUTY_END STATUS NI_NUMBER BANK_ACCOUNT SALARY ABSENCE_REASON"
)
PERSON_NUMBERS = "STATION_E STATION_N"


class Bench:
    """A bus, embedded unless told otherwise, with the topics of Leicestershire, and what lies on it."""

    def __init__(self, folder, url=None):
        self.forces = load_forces([LEICESTERSHIRE])
        self.codec = Codec(load_registry(self.forces))
        self.bus = open_bus(url or f"embedded://{folder}/bus.db")
        self.metrics = Metrics()
        apply(self.bus, specs(self.forces, partitions=2))

    def feed(self, domain="incident", **source):
        """The force's own feed, polled fast, with other settings of its source where given."""
        feed = self.forces["leicestershire"].feeds[domain]
        fast = {"poll_seconds": 0.01} | (
            {"snapshot_seconds": 0.02}
            if domain == "hr"
            else {"overlap_every_seconds": 0.02, "sweep_seconds": 0.02}
        )
        settings = dict(feed.source) | fast | source
        return dataclasses.replace(feed, source={k: v for k, v in settings.items() if v is not None})

    def connect(self, feed, source, *actions, until=None, clock=time.time):
        """Run a connector on `source`, doing each action once all before it was read; then it stops.

        `until` gives what to wait for, in place of the source's own proof, before each action and the end.
        """
        scripted = Scripted(source, actions, until, sweeps="sweep_seconds" in feed.source)
        try:
            Connector(feed, scripted, self.bus, self.codec, self.metrics, clock=clock).run(scripted.stop)
        finally:
            scripted.close()

    def publish(self, feed, *batches, clock=time.time):
        """Run a connector over these batches, from where its position stands; returns the source."""
        source = Told(*batches)
        Connector(feed, source, self.bus, self.codec, self.metrics, clock=clock).run(source.stop)
        return source

    def read_database(self, feed, legacy, *actions, **more):
        self.connect(feed, open_source(feed, legacy.url, None), *actions, **more)

    def events(self, feed):
        """All events of a feed, oldest first within each record."""
        decode = self.codec.decoder(feed.topic)
        return [decode(r.value) for r in self.bus.read_all(feed.topic) if r.value is not None]

    def of(self, feed, key):
        return [event for event in self.events(feed) if event["key"] == key]

    def dead_letters(self, feed):
        decode = self.codec.decoder(dead_letter_topic(feed.topic))
        return [decode(r.value) for r in self.bus.read_all(dead_letter_topic(feed.topic))]

    def positions(self, feed):
        return Positions(feed, self.bus, self.codec)

    def counts(self, feed):
        return self.positions(feed).counts

    def stopped(self, feed):
        labels = {"stage": "read", "force": feed.force, "domain": feed.domain}
        return self.metrics.registry.get_sample_value("alliance_hub_stage_stopped", labels)

    def close(self):
        self.bus.close()


@pytest.fixture
def bench(tmp_path):
    """A bench with an embedded bus."""
    made = Bench(tmp_path)
    yield made
    made.close()


class Scripted:
    """A source that acts once all since the last action was read, and at the end stops the loop."""

    def __init__(self, source, actions, until, *, sweeps):
        self.stop = threading.Event()
        self._source = source
        self._actions = [*actions, self.stop.set]
        self._until = list(until or [])
        self._sweeps = sweeps
        self._wait()

    def _wait(self):
        self._acted = time.time_ns() // 1000
        self._proved = False
        self._snapshots = 0

    def read(self, position):
        batch = self._source.read(position)
        self._proved = self._proved or (batch.complete_to or 0) > self._acted
        self._snapshots += batch.snapshot_ends
        if self._actions and self._all_was_read(batch):
            self._actions.pop(0)()
            self._wait()
        return batch

    def _all_was_read(self, batch):
        if self._until:
            return self._until[0]() and self._until.pop(0)
        swept = self._snapshots >= 2 or not self._sweeps  # the first may have begun before the action
        return self._proved and swept and not batch.more

    def count(self):
        return self._source.count()

    def close(self):
        self._source.close()


class Told:
    """A source of batches told beforehand, which stops the loop at their end.

    It trusts the position, as a source must. An exception among the batches is raised once; a
    callable is called, and its batch given.
    """

    def __init__(self, *batches, stop=None):
        self.stop = stop or threading.Event()
        self.read_from = []
        self._batches = list(batches)
        self._raised = set()

    def read(self, position):
        self.read_from.append(dict(position))
        place = position.get("place", 0)
        if place >= len(self._batches):
            self.stop.set()
            return Batch((), position)
        told = self._batches[place]
        if isinstance(told, Exception):
            if place not in self._raised:
                self._raised.add(place)
                raise told
            return Batch((), {"place": place + 1}, more=True)
        batch = told() if callable(told) else told
        return dataclasses.replace(batch, position={"place": place + 1, **batch.position}, more=True)

    def count(self):
        return 0

    def close(self):
        pass


class Running:
    """A connector in a thread of its own."""

    def __init__(self, bench, feed, *batches):
        self.stop = threading.Event()
        self._source = Told(*batches, stop=self.stop)
        self._connector = Connector(feed, self._source, bench.bus, bench.codec, bench.metrics)
        self._thread = threading.Thread(target=self._connector.run, args=(self.stop,))
        self._thread.start()

    def wait_until(self, condition):
        def holds():
            if condition():
                return True
            assert self._thread.is_alive()
            return False

        wait_until(holds)

    def end(self):
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop.set()
        self._thread.join()


def row(number, grade="1", *, version=None, removed=False, **more):
    values = {} if grade is None else {"INC_NO": number, "GRADE": grade}
    return Row(key(number), values, f"line {number}", version, removed, **more)


def refused(raw=b"7;\xff;x", place="file a.csv, line 3", **more):
    return Refused("two fields too few", place, raw, len(raw), hashlib.sha256(raw).hexdigest(), **more)


def batch(*rows, **more):
    return Batch(rows, more.pop("position", {}), **more)


class Legacy:
    """A legacy SQLite database with an incident and a staff table, written as its owner would."""

    def __init__(self, path):
        self.path = path
        self.url = f"sqlite:///{path}"
        self.execute(
            f"create table {INCIDENTS} ({_columns(INCIDENT_TEXTS, INCIDENT_NUMBERS)})",
            f"create table {PEOPLE} ({_columns(PERSON_TEXTS, PERSON_NUMBERS)})",
        )

    def execute(self, *statements):
        with contextlib.closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
            for statement in statements:
                connection.execute(*([statement] if isinstance(statement, str) else statement))

    def incident(self, number, at, **values):
        """Insert an incident of 1 November 2016, last updated `at`."""
        row = {"INC_DATE": "2016-11-01", "INC_NO": number, "LAST_UPDATED": at, "STATUS_CODE": "O"} | values
        self._insert(INCIDENTS, row)

    def update(self, number, at, **values):
        values |= {"LAST_UPDATED": at}
        sets = ", ".join(f"{name} = ?" for name in values)
        self.execute((f"update {INCIDENTS} set {sets} where INC_NO = ?", (*values.values(), number)))

    def person(self, number, **values):
        self._insert(PEOPLE, {"STAFF_NO": number, "TYPE": "PO", "SURNAME": "Smith"} | values)

    def _insert(self, table, row):
        marks = ", ".join("?" * len(row))
        self.execute((f"insert into {table} ({', '.join(row)}) values ({marks})", tuple(row.values())))


def _columns(texts, numbers):
    return ", ".join(
        [*(f"{name} text" for name in texts.split()), *(f"{name} integer" for name in numbers.split())]
    )


def key(number):
    return f"2016-11-01:{number}"


def shape(events, *columns):
    """Version, whether deleted, and the named columns of each event."""
    return [(e["source_version"], e["deleted"], *(e["row"][c] for c in columns)) for e in events]


def balanced(counts):
    out = ("published", "unchanged", "other_force", "dead_lettered")
    return counts["read"] + counts["derived"] == sum(counts[name] for name in out)
