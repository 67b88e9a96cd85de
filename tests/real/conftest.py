"""Fixtures of the tests that need a real broker, database or browser."""

import gc
import uuid
import warnings

import pytest

from hub.bus import open_bus
from hub.bus.contract import TopicSpec


@pytest.fixture
def _refused_sockets(caplog: pytest.LogCaptureFixture):
    """kafka-python leaves sockets that were refused to the garbage collector, and logs what holds them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        caplog.get_records("call").clear()
        gc.collect()


@pytest.fixture
def bus(kafka_address):
    opened = open_bus(f"kafka://{kafka_address}")
    yield opened
    opened.close()


@pytest.fixture
def topic(bus):
    spec = TopicSpec(f"topic.{uuid.uuid4().hex}", 1, "delete")
    bus.create_topics([spec])
    return spec.name
