"""PostgreSQL in a container, where TEST_POSTGRES_IMAGE names the image that the tests shall run on."""

import atexit

from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config

IMAGE_VARIABLE = "TEST_POSTGRES_IMAGE"


def container_address(image: str) -> str:
    """Start a container that ends with this process; its URL up to the name of a database."""
    testcontainers_config.ryuk_disabled = True  # its image cannot be had everywhere; the exit does
    container = PostgresContainer(image, username="hub", password="for-this-run", dbname="postgres")
    container.start()
    atexit.register(container.stop)
    return str(container.get_connection_url(driver=None)).rpartition("/")[0]
