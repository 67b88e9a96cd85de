"""`alliance-hub acl plan | check`: who may do what on Kafka, as it should be and as it is."""

import shlex
from typing import Annotated

import typer

from hub.acl.compare import differences
from hub.acl.plan import commands, entries, plan
from hub.bus.kafka_url import KafkaAddress, parse_kafka_url
from hub.cli.options import takes_settings
from hub.cli.parts import Parts
from hub.config import Settings
from hub.errors import ConfigurationError

acl_app = typer.Typer(help="Plan Kafka's access lists, or compare them with a broker.", no_args_is_help=True)

ToolSettings = Annotated[
    str, typer.Option("--command-config", help="The file with which Kafka's own tool is an administrator.")
]


@acl_app.command("plan")
@takes_settings
def show_plan(settings: Settings, command_config: ToolSettings = "admin.properties") -> None:
    """Print the commands that let every process do what it must, and nothing else. Changes nothing."""
    tool = _tool(_address(settings), command_config)
    for each in plan(Parts(settings).forces, settings.principals):
        typer.echo(f"# {each.process}: {each.principal}")
        for command in commands(tool, entries([each])):
            typer.echo(command)


@acl_app.command("check")
@takes_settings
def check(settings: Settings, command_config: ToolSettings = "admin.properties") -> None:
    """Name every right that is missing or beyond the plan, with the command that ends it."""
    from hub.bus.kafka_acls import read_access_lists

    address, forces = _address(settings), Parts(settings).forces
    planned = plan(forces, settings.principals)
    problems = differences(planned, read_access_lists(address), forces, _tool(address, command_config))
    if problems:
        raise ConfigurationError("\n".join(problems))
    typer.echo(f"{len(entries(planned))} entries of {len(planned)} principals are as planned")


def _address(settings: Settings) -> KafkaAddress:
    if not settings.bus_url.startswith("kafka:"):
        raise ConfigurationError("Only Kafka has access lists; name it with --bus kafka://host:9092.")
    return parse_kafka_url(settings.bus_url)


def _tool(address: KafkaAddress, command_config: str) -> str:
    return f"kafka-acls.sh --bootstrap-server {address} --command-config {shlex.quote(command_config)}"
