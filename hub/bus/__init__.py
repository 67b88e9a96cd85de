"""The bus between the three loops: one contract, picked by URL."""

from hub.bus.contract import Bus
from hub.errors import ConfigurationError


def open_bus(url: str) -> Bus:
    """Open the bus that `url` names: `embedded:///path/to/bus.db` or `kafka://host:9092,host:9092?…`.

    Raises `ConfigurationError` for a URL that names neither.
    """
    match url.partition("://")[0]:
        case "embedded":
            from hub.bus.embedded import open_embedded

            return open_embedded(url)
        case "kafka":
            from hub.bus.kafka import open_kafka

            return open_kafka(url)
    raise ConfigurationError(
        f"bus URL '{url}' names no bus; use embedded:///path/to/bus.db or kafka://host:9092."
    )
