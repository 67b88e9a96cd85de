"""Fixtures that the tests of faults share."""

import pytest

from tests.faults.network import Network
from tests.faults.world import World


@pytest.fixture
def network():
    """Make networks that can be cut, to ports of this machine."""
    made: list[Network] = []

    def make(port):
        made.append(Network(port))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def world(tmp_path):
    """Make worlds in this test's folder."""
    made: list[World] = []

    def make(**more):
        made.append(World(tmp_path / f"world-{len(made) + 1}", **more))
        return made[-1]

    yield make
    for each in made:
        each.close()
