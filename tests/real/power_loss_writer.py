"""A process that writes to a bus or a store, and marks what it tries and what was acknowledged.

`python -m tests.real.power_loss_writer FOLDER bus|store FULL|OFF`: the word is the `synchronous` of SQLite.
"""

import sys
import threading
from pathlib import Path

from hub.bus import embedded_commit, embedded_file, embedded_read, open_bus
from hub.bus.contract import Bus, Offset, TopicPartition, TopicSpec
from hub.view import sqlite
from hub.view.session import Batch, Fresh, Move
from hub.view.store import open_store
from tests.real.lost_power import mark
from tests.view_records import batch, incident, staff

FED, MADE, STATE = "fed", "made", "state"
SPECS = [
    TopicSpec(FED, 1, "delete"),
    TopicSpec(MADE, 3, "delete"),
    TopicSpec(STATE, 1, "compact", compaction_lag_seconds=0, tombstone_seconds=0),
]
SOURCE = TopicPartition(FED, 0)
WORKER, TELLER = "worker", "teller"
RUNS, ROUNDS, STORE_ROUNDS, KEYS = 3, 12, 8, 5
PARTITION = TopicPartition("alliance.incident.v1", 0)
FORCE = "leicestershire"


def value(number: int) -> bytes:
    return b"%d " % number * 100


def changes(number: int) -> list[Batch]:
    """What round `number` applies: each time a version of a few records, and one that came too late."""
    again = [incident("late", 1)] if number % 3 else []
    incidents = [incident(str(n), number + 1) for n in range(number % 3, number % 3 + 3)]
    return [batch("incident", *incidents, incident("late", 2), *again), batch("hr", staff("1", number + 1))]


def write_bus(root: Path) -> None:
    for run in range(RUNS):
        mark("try bus 0")
        bus = open_bus(f"embedded://{root}/state/of the hub/bus.db")
        bus.create_topics(SPECS)
        mark("done bus 0")
        numbers = range(run * ROUNDS, (run + 1) * ROUNDS)
        feeding = threading.Thread(target=_feed, args=(bus, numbers))
        feeding.start()
        _work(bus, numbers)
        feeding.join()
        bus.close()


def _feed(bus: Bus, numbers: range) -> None:
    producer = bus.producer("feeder")
    for number in numbers:
        mark(f"try fed {number}")
        producer.begin()
        producer.send(FED, b"key", value(number))
        producer.commit()
        mark(f"done fed {number}")


def _work(bus: Bus, numbers: range) -> None:
    consumer = bus.consumer([FED], group=WORKER)
    teller = bus.consumer([FED], group=TELLER)
    producer = bus.producer(WORKER)
    for number in numbers:
        while not consumer.poll(timeout_seconds=1, max_records=1):
            pass
        producer.begin()
        producer.send(MADE, b"key", b"aborted")
        producer.abort()
        mark(f"try made {number}")
        producer.begin()
        for partition in range(3):
            producer.send(MADE, b"key", value(number), partition=partition)
        producer.send(STATE, b"%d" % (number % KEYS), b"%d" % number)
        producer.keep_offsets(consumer, {SOURCE: Offset(number + 1, str(number))})
        producer.commit()
        mark(f"done made {number}")
        mark(f"try told {number}")
        teller.commit({SOURCE: Offset(number + 1)})
        mark(f"done told {number}")
        if number % ROUNDS == ROUNDS // 2:
            bus.maintain()  # type: ignore[attr-defined]


def write_store(root: Path) -> None:
    for run in range(RUNS):
        mark("try store 0")
        store = open_store(f"sqlite:///{root}/state/of the hub/store.db")
        store.declare_feeds([(FORCE, "incident")])
        store.declare([PARTITION])
        mark("done store 0")
        for number in range(run * STORE_ROUNDS, (run + 1) * STORE_ROUNDS):
            mark(f"try applied {number}")
            store.apply(changes(number), {PARTITION: Move(number, number + 1)})
            mark(f"done applied {number}")
            mark(f"try fresh {number}")
            store.keep_freshness([Fresh(FORCE, "incident", number)], number)
            mark(f"done fresh {number}")
        store.close()


def main(root: str, what: str, synchronous: str) -> None:
    embedded_file.WAL_PAGES = 20  # the log is emptied into the file often
    less = ("PRAGMA wal_autocheckpoint=20", f"PRAGMA synchronous={synchronous}")
    sqlite._PRAGMAS = (*sqlite._PRAGMAS, *less)  # type: ignore[assignment]
    for module in (embedded_commit, embedded_read):
        module.connect = _careless(module.connect, synchronous)  # type: ignore[attr-defined]
    {"bus": write_bus, "store": write_store}[what](Path(root))


def _careless(connect, synchronous):
    def connected(*where, **more):
        connection = connect(*where, **more)
        connection.execute(f"PRAGMA synchronous={synchronous}")
        return connection

    return connected


if __name__ == "__main__":
    main(*sys.argv[1:])
