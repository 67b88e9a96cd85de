"""The engine, the images and the running hub that these tests share, each made once."""

import time
from collections.abc import Iterator

import pytest

from tests.containers.compose import Compose, services
from tests.containers.engine import engine, run
from tests.containers.figures import FIGURES, say


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with engine(tmp_path_factory.mktemp("docker") / "dockerd.log"):
        yield


@pytest.fixture(scope="session")
def images(docker: None) -> None:
    """Every image that can be made here, from packages, jars and wheels."""
    began = time.monotonic()
    run("sh", "deploy/images/build.sh")
    say(f"images built in {time.monotonic() - began:.0f} s")


@pytest.fixture(scope="session")
def hub(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """The hub in containers, on stand-ins, with an incident of each force to see."""
    compose = Compose(tmp_path_factory.mktemp("secrets"))
    compose.down("--volumes", "--remove-orphans")
    try:
        began = time.monotonic()
        compose("up", "-d", *services())
        compose.wait_until_incidents()
        say(f"an incident of each force visible {time.monotonic() - began:.0f} s after `up`")
        compose.wait_until_healthy()
        yield compose
    finally:
        compose.down("--volumes", "--remove-orphans")


def pytest_terminal_summary(terminalreporter) -> None:
    """Print what was measured on the way."""
    for line in FIGURES:
        terminalreporter.write_line(line)
