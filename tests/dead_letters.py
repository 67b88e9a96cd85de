"""Dead letters for tests: set aside by a real normaliser, looked after by an office of the test's own."""

import threading

from connectors.replayed_row import parse_row
from hub.access import ALL_FORCES, LOCAL, Policy, Principal
from hub.bus.topics import AUDIT_TOPIC
from hub.dead_letters.book import Book, topics_of
from hub.dead_letters.cases import State
from hub.dead_letters.contents import Contents
from hub.dead_letters.lookout import World
from hub.dead_letters.office import Office
from hub.dead_letters.reading import Reading
from hub.dead_letters.search import Search
from hub.dead_letters.writer import Writer
from hub.domains import DOMAINS
from hub.view.loop import TOPICS, View
from hub.view.query import Query
from hub.view.store import open_store
from tests.mapped import event, feed
from tests.normalising import Room

INCIDENTS = feed("leicestershire")
ALL = Search(states=tuple(State))


def person(name, *roles, force=ALL_FORCES):
    return Principal(name, "", {force: frozenset(roles)})


ANNA = person("anna", "operator")
BILAL = person("bilal", "operator", "approver")
CARA = person("cara", "operator", "restricted_reader")


def office_on(bus, codec, forces, store, clock, *, approval=True):
    """An office that writes consultations as it writes every other act."""
    feeds = {(of.force, of.domain): of for force in forces.values() for of in force.feeds.values()}
    writer = Writer(bus, codec, Book(bus, codec, topics_of(feeds.values())), clock=clock)
    world = World(bus, codec, lambda: store, feeds)

    def audit(entry):
        def write(pen):
            with pen.transaction():
                pen.audit(entry)

        writer.work(write)

    reading = Reading(
        world,
        writer,
        Policy(),
        lambda of: Contents(feeds[of], codec, parse_row),
        audit=audit,
        approval=approval,
    )
    return Office(world, writer, reading)


class Letters(Room):
    """A room with a store, a view and an office. Bad events are those whose key is blank."""

    def __init__(self, folder, *, approval=True, store=None, **more):
        super().__init__(folder, **more)
        self.store = open_store(store or f"sqlite:///{folder / 'view.db'}")
        self.query = Query(self.store, self.codec)
        self.now = 1_790_000_000.0
        self.stopped = threading.Event()
        self.found = {}
        self.office = self.new_office(approval=approval)

    def new_office(self, *, approval=True):
        return office_on(self.bus, self.codec, self.forces, self.store, lambda: self.now, approval=approval)

    def view(self):
        """Apply what is on the alliance topics."""
        made = View(self.bus, self.store, self.codec, self.forces, self.metrics)
        ends = self.bus.end_offsets(TOPICS)
        while any(made.reached().get(tp, 0) < end for tp, end in ends.items()):
            made.step()
        made.close()

    def ids(self, search=ALL, who=LOCAL):
        return [letter.id for letter in self.office.reading.find(who, search)]

    def case(self, letter):
        self.office.writer.book.refresh()
        return self.office.writer.book.case(letter)

    def replay(self, *ids, who=LOCAL, why="mended", per_second=1000):
        """Replay these letters, or all that wait; what was found of each."""
        letters = self.office.reading.find(who, Search(ids=ids))
        found = {}

        def tell(findings):
            found.update({each.letter: each for each in findings})

        self.office.replay(who, letters, why=why, per_second=per_second, stop=self.stopped, tell=tell)
        return {letter: str(each.verdict) for letter, each in found.items()}

    def audit(self):
        decode = self.codec.decoder(AUDIT_TOPIC)
        return [decode(each.value) for each in self.bus.read_all(AUDIT_TOPIC)]

    def versions(self, key, domain="incident"):
        """The source versions of a record on its alliance topic, oldest first."""
        records = [r for r in self.records(domain) if r["source_key"] == key]
        return [record["source_version"] for record in records]

    def close(self):
        self.office.writer.book.close()
        self.store.close()
        super().close()


def misnamed(key="2016-11-01:7", version=1, **columns):
    """An event whose record id names another force: the normaliser cannot use it."""
    wrong = f"urn:alliance:incident:rutland:command:{key}"
    return event(INCIDENTS, key=key, version=version, record_id=wrong, **columns)


def unreadable(room, key, raw=b"\x00\x00\x00\x00\x07nonsense"):
    """Write an event of a record that nobody can decode."""
    room.write(INCIDENTS, (f"urn:alliance:incident:leicestershire:command:{key}".encode(), raw))


def good(key="2016-11-01:7", version=1, **columns):
    return event(INCIDENTS, key=key, version=version, **columns)


def record_id(key="2016-11-01:7"):
    return f"urn:alliance:incident:leicestershire:command:{key}"


def whole(key="2016-11-01:7", version=1, **columns):
    """An event as `show` would have it, to be given in place of one that could not be read."""
    made = good(key, version, **columns)
    return made | {"content_hash": made["content_hash"].hex()}


def alliance_topic(domain="incident"):
    return DOMAINS[domain].topic
