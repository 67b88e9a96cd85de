"""`alliance-hub standins`: the stand-ins for the legacy systems alone, for connectors that run elsewhere."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.options import takes_settings
from hub.cli.parts import Parts
from hub.cli.signals import set_from_handler
from hub.config import Settings
from hub.errors import ConfigurationError


@takes_settings
def standins(
    settings: Settings,
    folder: Annotated[Path, typer.Option(help="Where the systems and what is true are kept.")],
    feed: Annotated[str, typer.Option(help="Where the XML feed listens.")] = "127.0.0.1:8081",
    rate: Annotated[float, typer.Option(min=0.01, help="Changes a second in all systems.")] = 5.0,
) -> None:
    """Keep stand-ins for the legacy systems of every force busy until stopped.

    Prints where each system is, as the settings of connectors want it.
    """
    from connectors.standins.busy import Busy, give_past
    from connectors.standins.legacy import LegacySystems

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: set_from_handler(stop))
    legacy = LegacySystems(folder, Parts(settings).forces, feed=_address(feed))
    give_past(legacy)
    busy = Busy(legacy, rate=rate)
    busy.start()
    for force, places in legacy.locations().items():
        for domain, location in places.items():
            typer.echo(f'sources.{force}.{domain}.location = "{location}"')
    while busy.error is None and not stop.wait(0.2):
        pass
    busy.stop()
    legacy.close()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError(f"--feed '{text}' is no address; write HOST:PORT, as 127.0.0.1:8081.")
    return host, int(port)
