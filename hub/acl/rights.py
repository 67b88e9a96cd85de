"""What each process touches on Kafka: the one table behind `acl plan`, `acl check` and every start.

Kafka's rules that it rests on: Read and Write imply Describe; a transaction needs Write on its id, on
the topics it writes and Read on the group whose offsets it keeps; idempotence needs nothing more.
DescribeConfigs is what a process needs to see at its start that its topics are as declared.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from hub.acl.entry import CLUSTER_NAME, Kind
from hub.bus.topics import AUDIT_TOPIC, CASES_TOPIC, MAPPING_TOPIC, specs
from hub.domains import DOMAINS
from hub.forces import Feed, Force

Forces = Mapping[str, Force]

CONNECT = "connect"
"""Begins the names of the connectors' processes; a dot and the force follow."""

CONSUMER = "consumer"
"""A program beside the hub that reads the alliance's records. It has groups of its own name alone."""

NORMALISERS, VIEWS = "hub.normalise", "hub.view"

_SEE = ("Describe", "DescribeConfigs")
_READ = ("Read", "DescribeConfigs")
_WRITE = ("Write", "DescribeConfigs")
_BOTH = ("Read", "Write", "DescribeConfigs")


class Right(NamedTuple):
    kind: Kind
    name: str
    operations: tuple[str, ...]
    prefixed: bool = False

    def covers(self, kind: Kind, name: str) -> bool:
        return kind is self.kind and (name.startswith(self.name) if self.prefixed else name == self.name)


def processes(forces: Forces) -> dict[str, list[Right]]:
    """Every process by name, with all that it may do."""
    connectors = {f"{CONNECT}.{force}": list(_connect(force)) for force in forces}
    return connectors | {
        "normalise": list(_normalise(forces)),
        "view": list(_view(forces)),
        "serve": list(_serve(forces)),
        "operator": list(_operator(forces)),
        "topics": list(_topics(forces)),
        CONSUMER: [_topic(domain.topic, "Read") for domain in DOMAINS.values()],
    }


def touched_topics(process: str, forces: Forces) -> set[str]:
    """The declared topics that a process has any right on, which are those it can see."""
    rights = processes(forces)[process]
    declared = (spec.name for spec in specs(forces))
    return {name for name in declared if any(right.covers(Kind.TOPIC, name) for right in rights)}


def _connect(force: str) -> Iterator[Right]:
    """All that begins with the force's name, and nothing else."""
    yield Right(Kind.TOPIC, f"{force}.", _BOTH, prefixed=True)
    yield _ids(f"{force}.")


def _normalise(forces: Forces) -> Iterator[Right]:
    for feed in _feeds(forces):
        yield _topic(feed.topic, *_READ)
        yield _topic(_letters(feed.topic), *_BOTH)
    for domain in DOMAINS.values():
        yield _topic(domain.topic, *_WRITE)
        yield _topic(_letters(domain.topic), *_READ)
    yield _topic(MAPPING_TOPIC, *_BOTH)
    yield _topic(CASES_TOPIC, *_BOTH)
    yield Right(Kind.GROUP, NORMALISERS, ("Read",))
    yield _ids(f"{NORMALISERS}.")


def _view(forces: Forces) -> Iterator[Right]:
    """It writes dead letters alone. How far normalisers are tells it how fresh it is."""
    for domain in DOMAINS.values():
        yield _topic(domain.topic, *_READ)
        yield _topic(_letters(domain.topic), *_WRITE)
    for feed in _feeds(forces):
        yield _topic(feed.topic, *_SEE)
    for force in forces:
        yield _topic(f"{force}.positions.v1", *_READ)
    yield Right(Kind.GROUP, VIEWS, ("Read",))
    yield Right(Kind.GROUP, NORMALISERS, ("Describe",))
    yield _ids(f"{VIEWS}.")


def _serve(forces: Forces) -> Iterator[Right]:
    """Answers who asks, keeps the audit log, asks connectors, resolves dead letters."""
    for feed in _feeds(forces):
        yield _topic(feed.topic, *_READ)
        yield _topic(_letters(feed.topic), *_BOTH)
        yield Right(Kind.TRANSACTIONAL_ID, f"{feed.force}.{feed.domain}.control", ("Write",))
    for force in forces:
        yield _topic(f"{force}.positions.v1", *_READ)
        yield _topic(f"{force}.control.v1", *_BOTH)
    yield from _acts()


def _operator(forces: Forces) -> Iterator[Right]:
    """A person at the command line: as the server, and positions can be set back where a connector rests."""
    for feed in _feeds(forces):
        yield _topic(feed.topic, *_READ)
        yield _topic(_letters(feed.topic), *_BOTH)
    for force in forces:
        yield _topic(f"{force}.positions.v1", *_BOTH)
        yield _topic(f"{force}.control.v1", *_BOTH)
        yield _ids(f"{force}.")
    yield from _acts()
    yield _topic(MAPPING_TOPIC, *_SEE)
    for group in (NORMALISERS, VIEWS):
        yield Right(Kind.GROUP, group, ("Describe",))
    yield Right(Kind.CLUSTER, CLUSTER_NAME, ("Describe",))  # to read the access lists


def _acts() -> Iterator[Right]:
    for domain in DOMAINS.values():
        yield _topic(domain.topic, *_BOTH)
        yield _topic(_letters(domain.topic), *_BOTH)
    yield _topic(CASES_TOPIC, *_BOTH)
    yield _topic(AUDIT_TOPIC, *_WRITE)
    yield _ids("hub.audit.")
    yield Right(Kind.TRANSACTIONAL_ID, "hub.dead-letters", ("Write",))


def _topics(forces: Forces) -> Iterator[Right]:
    """`topics apply | check`: makes and sets topics, and reads none."""
    for spec in specs(forces):
        yield _topic(spec.name, "Create", "AlterConfigs", *_SEE)


def _feeds(forces: Forces) -> Iterable[Feed]:
    return [feed for force in forces.values() for feed in force.feeds.values()]


def _letters(topic: str) -> str:
    return f"{topic}.dlq"


def _topic(name: str, *operations: str) -> Right:
    return Right(Kind.TOPIC, name, operations)


def _ids(prefix: str) -> Right:
    return Right(Kind.TRANSACTIONAL_ID, prefix, ("Write",), prefixed=True)
