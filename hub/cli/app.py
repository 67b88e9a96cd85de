"""The command line: each command reads settings, builds and connects the parts, and waits."""

from collections.abc import Mapping
from typing import Annotated

import typer

from hub.bus.contract import Bus, TopicSpec
from hub.cli.acl import acl_app
from hub.cli.backup import backup, restore
from hub.cli.connectors import connectors_app
from hub.cli.demo import demo
from hub.cli.dlq import dlq_app
from hub.cli.doctor import doctor
from hub.cli.forces import forces_app
from hub.cli.options import takes_settings
from hub.cli.parts import Parts
from hub.cli.positions import positions_app
from hub.cli.process import Process, Stage, start_all, start_server
from hub.cli.reconcile import reconcile
from hub.cli.removals import removals_app
from hub.cli.schemas import schemas_app
from hub.cli.standins import standins
from hub.cli.status import status
from hub.cli.store import store_app
from hub.cli.token import token
from hub.cli.topics import topics_app
from hub.config import Settings

app = typer.Typer(
    name="alliance-hub",
    help="Joins the incident and HR systems of police forces into one borderless view.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
@takes_settings
def connect(settings: Settings, force: str, domain: Annotated[str | None, typer.Argument()] = None) -> None:
    """Run the connectors of FORCE: read its systems, publish what changed."""
    process = Process(settings)
    feeds = process.parts.feeds(force, domain)
    process.check_topics(f"connect.{force}")
    _run(process, process.connectors(feeds))


@app.command()
@takes_settings
def normalise(
    settings: Settings,
    again: Annotated[
        bool, typer.Option("--again", help="Map every event anew, after a mended mapping or code table.")
    ] = False,
) -> None:
    """Run a normaliser: force events in, alliance records out."""
    process = Process(settings)
    process.check_topics("normalise")
    if again:
        from hub.normalise.again import normalise_again

        for topic, events in normalise_again(process.parts.bus, process.parts.feeds()).items():
            typer.echo(f"{topic}: {events} offsets from the beginning")
    _run(process, {"normalise": process.parts.normaliser()})


@app.command()
@takes_settings
def view(settings: Settings) -> None:
    """Run the view: alliance records into the store, newest version wins."""
    process = Process(settings)
    process.check_topics("view")
    _run(process, {"view": process.parts.view()})


@app.command("rebuild")
@takes_settings
def rebuild_view(settings: Settings) -> None:
    """Make the view anew from the bus while no view runs; its history stays."""
    from hub.view.rebuild import rebuild

    parts = Parts(settings)
    taken = rebuild(parts.bus, parts.store, parts.codec, parts.forces, parts.metrics)
    typer.echo(f"replayed {taken} records")
    parts.close()


@app.command()
@takes_settings
def serve(settings: Settings) -> None:
    """Serve the API, the live stream and the page from the store."""
    process = Process(settings)
    process.check_topics("serve")
    process.heed_signals()
    start_server(process)
    typer.echo(process.address)
    raise typer.Exit(process.wait())


@app.command()
@takes_settings
def up(settings: Settings) -> None:
    """Run all of the hub in one process, on the sources that the settings name."""
    process = Process(settings)
    process.heed_signals()
    start_all(process)
    typer.echo(process.address)
    raise typer.Exit(process.wait())


def _connect(settings: Settings) -> tuple[Bus, list[TopicSpec]]:
    parts = Parts(settings)
    return parts.bus, parts.declared_topics()


app.command("demo")(demo)
app.command("standins")(standins)
app.command("token")(token)
app.command("reconcile")(reconcile)
app.command("backup")(backup)
app.command("restore")(restore)
app.command("status")(status)
app.command("doctor")(doctor)
app.add_typer(topics_app(_connect), name="topics")
app.add_typer(acl_app, name="acl")
app.add_typer(forces_app, name="forces")
app.add_typer(removals_app, name="removals")
app.add_typer(connectors_app, name="connectors")
app.add_typer(dlq_app, name="dlq")
app.add_typer(positions_app, name="positions")
app.add_typer(store_app, name="store")
app.add_typer(schemas_app(lambda settings: Parts(settings).forces), name="schemas")


def _run(process: Process, stages: Mapping[str, Stage]) -> None:
    process.heed_signals()
    process.start(stages, port=0)
    raise typer.Exit(process.wait())


def main() -> None:
    """Entry point. Exit codes: 0 ok, 1 runtime, 2 configuration or validation, 3 environment."""
    app()
