"""`alliance-hub topics apply | check`: make the topics, or compare them with their declaration."""

from collections.abc import Callable, Sequence
from contextlib import closing

import typer

from hub.bus.contract import Bus, TopicSpec
from hub.bus.topics import align, apply, refuse_differences
from hub.cli.options import takes_settings
from hub.config import Settings

Connect = Callable[[Settings], tuple[Bus, Sequence[TopicSpec]]]
"""Opens the bus, and declares its topics from the forces, as the settings say."""


def topics_app(connect: Connect) -> typer.Typer:
    """Make the sub-commands. A difference that remains is a `ConfigurationError`, exit code 2."""
    app = typer.Typer(help="Make the topics, or compare them with their declaration.", no_args_is_help=True)

    @app.command("apply")
    @takes_settings
    def apply_topics(settings: Settings) -> None:
        """Make the missing topics and set cleanup and retention of the others as declared."""
        bus, declared = connect(settings)
        with closing(bus):
            for name in apply(bus, declared):
                typer.echo(f"made {name}")
            for name in align(bus, declared):
                typer.echo(f"set {name} as declared")
            _confirm(bus, declared)

    @app.command("check")
    @takes_settings
    def check_topics(settings: Settings) -> None:
        """Name every topic that is missing or differs, with its remedy. Changes nothing."""
        bus, declared = connect(settings)
        with closing(bus):
            _confirm(bus, declared)

    return app


def _confirm(bus: Bus, declared: Sequence[TopicSpec]) -> None:
    refuse_differences(bus, declared)
    typer.echo(f"{len(declared)} topics are as declared")
