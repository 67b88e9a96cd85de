"""`alliance-hub store status | upgrade | downgrade`: from one release to the next, and back."""

from typing import Annotated

import typer

from hub.cli.options import takes_settings
from hub.config import Settings
from hub.errors import ConfigurationError

store_app = typer.Typer(help="The store's tables, from one release to the next.", no_args_is_help=True)


@store_app.command()
@takes_settings
def status(settings: Settings) -> None:
    """Say of which revision the store is. Changes nothing; exit code 2 where there is something to do."""
    from hub.view.migrating import store_status

    name, found, needed, problem = store_status(settings.store_url, settings.store_secret())
    if problem is not None:
        raise ConfigurationError(problem)
    typer.echo(f"{name}: revision {found or 'none yet'}, this release needs {needed}")


@store_app.command()
@takes_settings
def upgrade(settings: Settings) -> None:
    """Bring the store to this release, while views and readers of the one before go on."""
    from hub.view import migrating

    found, now = migrating.upgrade(settings.store_url, settings.store_secret())
    typer.echo(f"revision {now}" if found == now else f"revision {found or 'none'} → {now}")


@store_app.command()
@takes_settings
def downgrade(
    settings: Settings,
    to: Annotated[str | None, typer.Option(help="The revision; without it, the one before.")] = None,
) -> None:
    """Bring the store back to an earlier release's tables; what only this one keeps is given up."""
    from hub.view import migrating

    found, now = migrating.downgrade(settings.store_url, settings.store_secret(), to=to)
    typer.echo(f"revision {found} → {now}" if found != now else f"revision {now}")
