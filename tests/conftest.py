"""Fixtures that many tests share."""

import logging

from tests.connecting import bench  # noqa: F401
from tests.kafka_broker import kafka_address  # noqa: F401
from tests.keeping import operator  # noqa: F401
from tests.legacy import legacy  # noqa: F401
from tests.postgres import postgres_server, postgres_url  # noqa: F401
from tests.real.browser import browser, page  # noqa: F401
from tests.stores import postgres_schema_url, query, store, store_url  # noqa: F401


def pytest_unconfigure() -> None:
    """The session's broker ends now; what clients still running say of that is no result."""
    logging.disable()
