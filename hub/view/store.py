"""The store: every record as it stands, every version it had, and the offsets read up to.

`apply` is one transaction: records, history, counts and offsets together or none of it
(invariant 2). Nothing is acknowledged before it is durable (invariant 8): SQLite runs with
`synchronous=FULL`, PostgreSQL with the `synchronous_commit` it is set to.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from hub.bus.contract import TopicPartition
from hub.errors import ConfigurationError, FencedError, StoreAwayError
from hub.kill_points import reached
from hub.view.another_bus import refuse_other_topics
from hub.view.making import make_tables
from hub.view.plan import Plan, make_plan
from hub.view.postgres import open_postgres
from hub.view.session import Applied, Batch, Database, Fresh, Kept, Move, Session
from hub.view.sqlite import open_sqlite
from hub.view.tables import FRESHNESS

FORMS = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"


def open_store(url: str, secret: str | None = None) -> "Store":
    """Open the store at `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    `secret` is the password, where the URL holds none. Makes the store's tables where there are none.
    Raises `ConfigurationError` for another URL, or for a store of another release with the command
    that brings it here (see `hub.view.migrating`), `TransientError` where the database does not answer.
    """
    store = Store(open_database(url, secret))
    try:
        store.make()
    except BaseException:
        store.close()
        raise
    return store


def open_database(url: str, secret: str | None = None) -> Database:
    """The database of a store, whatever is in it. `ConfigurationError` for a URL that is none."""
    parsed = _parsed(url)
    if secret is not None:
        parsed = parsed.set(password=secret)
    if parsed.drivername == "sqlite" and parsed.database:
        return open_sqlite(parsed)
    if parsed.drivername in {"postgresql", "postgresql+psycopg"}:
        return open_postgres(parsed.set(drivername="postgresql+psycopg"))
    raise ConfigurationError(f"No store of this kind: '{parsed.render_as_string()}'; write {FORMS}.")


@contextmanager
def store_database(url: str, secret: str | None) -> Iterator[Database]:
    """A store's database, whatever is in it, its errors in the hub's words."""
    database = open_database(url, secret)
    try:
        yield database
    except DBAPIError as error:
        raise database.explain(error.orig) from error
    finally:
        database.close()


def sqlite_path(url: str) -> Path | None:
    """The file of a store on SQLite; None for one on PostgreSQL."""
    parsed = _parsed(url)
    return Path(parsed.database).absolute() if parsed.drivername == "sqlite" and parsed.database else None


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise ConfigurationError(f"The store's URL is none; write {FORMS}.") from None


class Store:
    """One store, made with `open_store`.

    Any number of processes and threads may read; on PostgreSQL several views may write, each
    with partitions of its own. Errors: `TransientError` (try the whole transaction again),
    `FencedError` (another view has moved this one's offsets), `FatalError`.
    """

    def __init__(self, database: Database) -> None:
        self.url = database.name
        self._engine = database.engine
        self._writer = database.writer
        self._explain = database.explain
        self._close = database.close

    def make(self) -> None:
        """Make the tables where there are none; refuse those of another release."""
        with self._translated():
            make_tables(self._engine, self.url)

    def apply(self, batches: Sequence[Batch], moves: Mapping[TopicPartition, Move]) -> Applied:
        """Apply batches in order and keep the offsets, in one transaction (invariant 2)."""
        result = Applied()
        with self._writer.transaction() as session:
            reached(2, "store.offsets:before")
            for partition, move in sorted(moves.items()):  # one order for all writers: no deadlock
                if not session.move(partition, move):
                    raise FencedError(
                        f"Another view has moved the offset of {partition.topic}-{partition.partition} "
                        f"in {self.url} from {move.before}. Give each store one set of views."
                    )
            reached(2, "store.offsets:after")
            counts: Counter[tuple[str, str, str]] = Counter()
            for batch in batches:
                reached(4, "store.records:before")
                plan = _apply(session, batch)
                reached(4, "store.records:after")
                if batch.counted:
                    _count(counts, result, batch, plan)
            if counts:
                session.count(counts)
            reached(8, "store.commit:before")
        reached(8, "store.commit:after")
        return result

    def kept(self, topics: Sequence[str]) -> dict[TopicPartition, Kept]:
        """The offsets kept for topics; a partition never declared is absent."""
        with self._writer.transaction() as session:
            return session.kept(topics)

    def declare(
        self, partitions: Iterable[TopicPartition], topic_ids: Mapping[str, str] | None = None
    ) -> dict[TopicPartition, Kept]:
        """Make sure that partitions have a kept offset, 0 for new ones, and return theirs.

        `topic_ids` says which topics are met under these names; `ConfigurationError` where offsets
        of others are kept.
        """
        wanted, ids = sorted(partitions), topic_ids or {}
        with self._writer.transaction() as session:
            session.declare(wanted)
            session.belong(ids)
            kept = session.kept(sorted({p.topic for p in wanted} | ids.keys()))
            refuse_other_topics(kept, ids)
        return {partition: kept[partition] for partition in wanted}

    def declare_feeds(self, feeds: Iterable[tuple[str, str]]) -> None:
        """Make (force, domain) the feeds whose freshness is told; a feed that left is forgotten."""
        with self._writer.transaction() as session:
            session.declare_feeds(sorted(feeds))

    def keep_freshness(self, fresh: Iterable[Fresh], seen_at: int) -> None:
        """Record up to when each feed is complete.

        An earlier time never replaces a later one, unless that has not come at `seen_at`: then a
        clock was ahead.
        """
        with self._writer.transaction() as session:
            session.keep_freshness(fresh, seen_at)

    def fresh(self) -> list[Fresh]:
        """The feeds of which it is known up to when they are complete."""
        known = select(FRESHNESS.c.force, FRESHNESS.c.domain, FRESHNESS.c.complete_to)
        with self.reading() as connection:
            rows = connection.execute(known.where(FRESHNESS.c.complete_to.is_not(None))).fetchall()
        return [Fresh(*row) for row in rows]

    def empty(self) -> None:
        """Empty the current tables and go back to offset 0; history and change numbers stay.

        Freshness is unknown until everything has been replayed.
        """
        with self._writer.transaction() as session:
            session.empty()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with; all that it reads is of one moment."""
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._explain(error.orig) from error
        except PoolTimeoutError as error:
            raise StoreAwayError(
                f"The store {self.url} is asked more at once than this process has connections for, or "
                "answers too slowly. Look at its load; start another server where it has none."
            ) from error

    def close(self) -> None:
        self._close()


def _apply(session: Session, batch: Batch) -> Plan:
    plan = Plan()
    if batch.changes:
        known = session.known(batch.domain, list({change.id for change in batch.changes}))
        first = session.take_numbers(len(batch.changes))
        plan = make_plan(batch.changes, known, first)
        session.write(batch.domain, plan, time.time_ns() // 1000)
    if batch.erased:
        session.erase(batch.domain, batch.erased)
    return plan


def _count(counts: Counter[tuple[str, str, str]], result: Applied, batch: Batch, plan: Plan) -> None:
    """Everything received ends in exactly one of four places (invariant 5)."""
    domain = batch.domain
    for name, numbers in (
        ("applied", plan.applied),
        ("superseded", plan.superseded),
        ("dead_lettered", batch.dead_lettered),
        ("erased", batch.erasures),
    ):
        for force, n in numbers.items():
            counts[domain, force, name] += n
            counts[domain, force, "received"] += n
    for force, n in plan.applied.items():
        result.applied[domain, force] += n
    for force, n in plan.superseded.items():
        result.superseded[domain, force] += n
    result.changed += [(domain, force, instant) for force, instant in plan.changed]
