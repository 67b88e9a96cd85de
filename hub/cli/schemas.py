"""`alliance-hub schemas check | add`: the compatibility gate, and ids for new schemas."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from hub.cli.options import takes_settings
from hub.config import Settings
from hub.errors import ConfigurationError
from hub.forces import SCHEMAS, Force, ForceCard
from hub.schema.compatibility import check_registry
from hub.schema.growth import add_versions
from hub.schema.index import Entry, SchemaVersion
from hub.schema.registry import PACKAGED_IDS, read_registry
from hub.schema.rules import check_enums, check_explained


def schemas_app(forces: Callable[[Settings], Mapping[str, Force]]) -> typer.Typer:
    """Make the sub-commands. Every problem found is in one `ConfigurationError`, exit code 2."""
    app = typer.Typer(help="Check the schemas, or give ids to new ones.", no_args_is_help=True)

    @app.command("check")
    @takes_settings
    def check_schemas(settings: Settings) -> None:
        """Check the index, the compatibility of all versions, and that every field is explained."""
        registry, problems = read_registry(forces(settings))
        problems += check_registry(registry)
        problems += [f"{version.file}: {wrong}." for version in registry for wrong in _rules(version)]
        if problems:
            raise ConfigurationError("\n".join(problems))
        typer.echo(f"{len(list(registry))} schemas are compatible, explained and as published")

    @app.command("add")
    @takes_settings
    def add_schemas(settings: Settings, folder: Annotated[Path, typer.Argument()] = SCHEMAS) -> None:  # noqa: ARG001
        """Give ids to the new and changed schemas of FOLDER: the package's, or a force's own."""
        for entry in _add(folder):
            typer.echo(f"gave id {entry.id} to {entry.file}, version {entry.version} of {entry.subject}")

    return app


def _rules(version: SchemaVersion) -> list[str]:
    shared = version.subject.startswith("alliance.")
    return [*check_explained(version.schema), *(check_enums(version.schema) if shared else ())]


def _add(folder: Path) -> list[Entry]:
    if folder.resolve() == SCHEMAS.resolve():
        return add_versions(folder, PACKAGED_IDS)
    file = folder / "force.toml"
    try:
        card = ForceCard.model_validate(tomllib.loads(file.read_text("utf-8")))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        raise ConfigurationError(f"{file}: cannot tell whose schemas these are: {error}") from error
    if card.schema_ids is None:
        raise ConfigurationError(f"{file}: 'schema_ids' is missing; claim a range such as [10000, 10099].")
    first, last = card.schema_ids
    return add_versions(folder, range(first, last + 1), f"{card.name}.")
