"""Fixtures that many tests share."""

import logging
import signal

from tests.connecting import bench  # noqa: F401
from tests.in_memory import quick_path  # noqa: F401
from tests.kafka_broker import fresh_broker, kafka_address  # noqa: F401
from tests.keeping import operator  # noqa: F401
from tests.legacy import legacy  # noqa: F401
from tests.postgres import postgres_server, postgres_url  # noqa: F401
from tests.real.browser import browser, page  # noqa: F401
from tests.stores import postgres_schema_url, query, quick_store, store, store_url  # noqa: F401


def pytest_configure() -> None:
    """A suite started in the background ignores Ctrl-C, and so would all that it starts and interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    """The session's broker ends now; what clients still running say of that is no result."""
    logging.disable()
