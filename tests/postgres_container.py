"""PostgreSQL in a container, where TEST_POSTGRES_IMAGE names the image that the tests shall run on."""

import atexit
import itertools

import psycopg
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config

IMAGE_VARIABLE = "TEST_POSTGRES_IMAGE"


class PostgresInContainer:
    """What `tests.postgres.Postgres` is to a test that asks for a database and no more."""

    def __init__(self, image: str) -> None:
        testcontainers_config.ryuk_disabled = True  # its image cannot be had everywhere; the exit does
        self._container = PostgresContainer(image, username="hub", password="for-this-run", dbname="postgres")
        self._container.start()
        atexit.register(self._container.stop)
        self._address = self._container.get_connection_url(driver=None).rpartition("/")[0]
        self._numbers = itertools.count(1)

    def url(self, database="postgres"):
        return f"{self._address}/{database}"

    def execute(self, statement):
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def create(self):
        database = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {database}")
        return database

    def drop(self, database):
        self.execute(f"DROP DATABASE {database} WITH (FORCE)")
