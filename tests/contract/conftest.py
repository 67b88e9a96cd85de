"""The two buses that the contract suite runs over. A test asks for `place`, or for one kind by name.

Kafka is tried three ways: as it is, and, in the long run, guarded by passwords and by certificates.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.places import Place
from tests.guarded.broker import WAYS, Guarded


@pytest.fixture
def embedded_place(tmp_path: Path) -> Iterator[Place]:
    with Place("embedded", f"embedded://{tmp_path / 'bus.db'}").closing() as place:
        yield place


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    """It ends with the session, as the other broker does: some clients are never closed."""
    return Guarded(tmp_path_factory.mktemp("guarded"))


def _kafka(way: str) -> object:
    """The parameter of one way to a Kafka broker."""
    return pytest.param(way, marks=[pytest.mark.kafka, *([pytest.mark.long] if way in WAYS else [])])


@pytest.fixture(params=[_kafka("kafka"), *(_kafka(way) for way in WAYS)])
def kafka_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with _kafka_place(request).closing() as place:
        yield place


@pytest.fixture(params=["embedded", _kafka("kafka"), *(_kafka(way) for way in WAYS)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "embedded":
        yield request.getfixturevalue("embedded_place")
        return
    with _kafka_place(request).closing() as place:
        yield place


def _kafka_place(request: pytest.FixtureRequest) -> Place:
    if request.param in WAYS:
        return Place("kafka", request.getfixturevalue("guarded").url(request.param))
    return Place("kafka", f"kafka://{request.getfixturevalue('kafka_address')}")
