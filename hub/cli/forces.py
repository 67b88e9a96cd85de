"""`alliance-hub forces check`: everything that is wrong with the forces' folders, before anything starts."""

import typer

from connectors.sources import check_source
from hub.cli.options import takes_settings
from hub.cli.parts import Parts
from hub.config import Settings
from hub.errors import ConfigurationError

forces_app = typer.Typer(help="Check the folders of the forces.", no_args_is_help=True)


@forces_app.callback()
def _group() -> None:
    """Keep `check` a word of its own, though it is the only one."""


@forces_app.command("check")
@takes_settings
def check(settings: Settings) -> None:
    """Name every problem of every source, mapping, code table and schema at once, with its remedy."""
    from hub.normalise.mapping import check_mapping  # brings the national grid, which no other command needs

    parts = Parts(settings)
    feeds = parts.feeds()
    problems = [problem for feed in feeds for problem in (*check_source(feed), *check_mapping(feed))]
    if problems:
        raise ConfigurationError("\n".join(problems))
    _ = parts.codec  # the schemas and their ids
    typer.echo(f"{len(parts.forces)} forces with {len(feeds)} feeds are as they must be")
