"""Whether a bus or a store that is a file is there, for those who look and must not make one."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from hub.errors import ConfigurationError


def bus_file(url: str) -> Path | None:
    """The file of an embedded bus; None where the URL names another kind, or none."""
    path = unquote(urlsplit(url).path) if url.startswith("embedded:") else ""
    return Path(path) if path else None


def store_file(url: str) -> Path | None:
    """The file of a SQLite store; None where the URL names another kind, or none."""
    path = url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else ""
    return Path(path.partition("?")[0]) if path else None


def refuse_absent(file: Path | None, what: str) -> None:
    """`ConfigurationError` where a file is named that is not there: what opens it would make it."""
    if file is not None and not file.exists():
        raise ConfigurationError(
            f"There is no {what} at {file}: the hub was never started with these settings. Name another with "
            f"--config, --state or --{what}, or start the hub."
        )
