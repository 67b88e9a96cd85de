"""Fixtures that many tests share."""

from tests.kafka_broker import kafka_address  # noqa: F401
from tests.postgres import postgres_url  # noqa: F401
