"""The two buses that the contract suite runs over. A test asks for `place`, or for one kind by name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.places import Place


@pytest.fixture
def embedded_place(tmp_path: Path) -> Iterator[Place]:
    with Place("embedded", f"embedded://{tmp_path / 'bus.db'}").closing() as place:
        yield place


@pytest.fixture
def kafka_place(kafka_address: str) -> Iterator[Place]:
    with Place("kafka", f"kafka://{kafka_address}").closing() as place:
        yield place


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def place(request: pytest.FixtureRequest) -> Place:
    chosen: Place = request.getfixturevalue(f"{request.param}_place")
    return chosen
