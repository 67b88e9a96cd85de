"""What the store asks of a database, and the words it uses: one write transaction at a time."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Engine

from hub.bus.contract import TopicPartition
from hub.errors import HubError
from hub.view.plan import Change, Known, Plan


class Move(NamedTuple):
    """From the offset this writer believes to be kept to the one it has read up to."""

    before: int
    after: int


class Kept(NamedTuple):
    """The next offset to read, the one up to which was counted before a rebuild, and of which topic."""

    next_offset: int
    counted_to: int
    topic_id: str | None


@dataclass(slots=True)
class Batch:
    """Changes of one domain in order, then keys to erase.

    `dead_lettered` counts by force what was set aside, `erasures` the orders to erase, whether
    or not there was something. The changes of a batch that is not
    `counted` are replayed: they were counted before the rebuild.
    """

    domain: str
    changes: list[Change] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    dead_lettered: Counter[str] = field(default_factory=Counter)
    erasures: Counter[str] = field(default_factory=Counter)
    counted: bool = True


@dataclass(slots=True)
class Applied:
    """What a transaction did, by (domain, force), replayed records left out."""

    applied: Counter[tuple[str, str]] = field(default_factory=Counter)
    superseded: Counter[tuple[str, str]] = field(default_factory=Counter)
    changed: list[tuple[str, str, int]] = field(default_factory=list)
    """Domain, force, and the instant of change (or of reading) of each applied version."""


class Fresh(NamedTuple):
    force: str
    domain: str
    complete_to: int


class Session(Protocol):
    """One write transaction, in the words of one database."""

    def move(self, partition: TopicPartition, move: Move) -> bool:
        """Keep the offset if the one before is still kept; else False."""
        ...

    def known(self, domain: str, record_ids: Sequence[str]) -> dict[str, Known]: ...

    def take_numbers(self, count: int) -> int:
        """Take `count` change numbers, held to the commit, and return the first."""
        ...

    def write(self, domain: str, plan: Plan, applied_at: int) -> None: ...
    def count(self, counts: Mapping[tuple[str, str, str], int]) -> None: ...
    def erase(self, domain: str, record_ids: Sequence[str]) -> None: ...
    def keep_freshness(self, fresh: Iterable[Fresh], seen_at: int) -> None: ...
    def declare(self, partitions: Iterable[TopicPartition]) -> None: ...
    def belong(self, topic_ids: Mapping[str, str]) -> None:
        """Say which topic's offsets are kept, where that is not known or nothing of another was read."""
        ...

    def declare_feeds(self, feeds: Iterable[tuple[str, str]]) -> None: ...
    def kept(self, topics: Sequence[str]) -> dict[TopicPartition, Kept]: ...
    def empty(self) -> None: ...


class Writer(Protocol):
    """The store's one writing connection in this process."""

    def transaction(self) -> AbstractContextManager[Session]:
        """Commit at the end of the block, roll back on any error; errors come as hub errors."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Database:
    """One database: readers' connections, the writer, and what its library's errors mean.

    `name` is its URL without the password.
    """

    name: str
    engine: Engine
    writer: Writer
    explain: Callable[[Any], HubError]

    def close(self) -> None:
        """Let go of all its connections."""
        self.writer.close()
        self.engine.dispose()
