"""Durations as a person writes them on the command line."""

import re

from hub.errors import ConfigurationError

_UNITS = {"s": 1, "m": 60, "h": 3600}


def read_duration(text: str) -> float:
    """Read a duration such as 30s, 5m or 1h, in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if match is None:
        raise ConfigurationError(f"'{text}' is no duration; write 30s, 5m or 1h.")
    return float(match[1]) * _UNITS[match[2]]
