"""`alliance-hub backup TO` while the hub runs, `alliance-hub restore FROM` while it does not."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli.options import takes_settings
from hub.config import Settings


@takes_settings
def backup(
    settings: Settings, to: Annotated[Path, typer.Argument(help="A folder that is not there.")]
) -> None:
    """Copy the store, and the embedded bus, into the new folder TO, while the hub runs.

    Topics on Kafka stay with Kafka, which keeps them several times.
    """
    from hub.backup.taking import take

    began = time.monotonic()
    made = take(to, **_places(settings))
    rows = sum(table.rows for table in made.store.tables.values())
    typer.echo(f"backed up {rows} rows of the store{_bus(made.bus.kind)} to {to}{_took(began)}")


@takes_settings
def restore(
    settings: Settings,
    source: Annotated[Path, typer.Argument(metavar="FROM", help="A folder that `backup` made.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Move aside what is there (SQLite), or drop it (PostgreSQL).")
    ] = False,
) -> None:
    """Put a backup back where the settings say, while no process of the hub runs.

    At their next start the connectors catch up with their systems, and the view with the bus.
    """
    from hub.backup.restoring import put_back

    began = time.monotonic()
    made = put_back(source, **_places(settings), overwrite=overwrite)
    rows = sum(table.rows for table in made.store.tables.values())
    typer.echo(f"restored {rows} rows of the store{_bus(made.bus.kind)}, as of {made.made_at}{_took(began)}")


def _places(settings: Settings) -> dict[str, Any]:
    return {
        "bus_url": settings.bus_url,
        "store_url": settings.store_url,
        "store_secret": settings.store_secret(),
    }


def _bus(kind: str) -> str:
    return " and the bus" if kind == "embedded" else ""


def _took(began: float) -> str:
    return f" in {time.monotonic() - began:.1f} s"
