"""Fixtures of the tests that need a real broker, database or browser."""

import gc
import warnings

import pytest


@pytest.fixture
def _refused_sockets(caplog: pytest.LogCaptureFixture):
    """kafka-python leaves sockets that were refused to the garbage collector, and logs what holds them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        caplog.get_records("call").clear()
        gc.collect()
