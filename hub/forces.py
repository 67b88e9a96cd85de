"""A force is a folder: who it is, how each of its systems is read, and how its rows are mapped.

    <force>/force.toml        name, code, area, whether restricted content is shared
    <force>/incident.toml     [source] how to read, [mapping] how to map; so for each domain
    <force>/codes/*.csv       effective-dated code tables
    <force>/<domain>.avsc     its own schema, or schemas/<force>/<domain>.avsc in the package

Built-in forces lie beside the connectors; others may lie anywhere (`forces = [DIR]`).
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub.domains import DOMAINS
from hub.errors import ConfigurationError

SCHEMAS = Path(str(files("schemas")))


class ForceCard(BaseModel):
    """`force.toml`: who the force is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    title: str
    code: str = Field(pattern=r"^\d{2}$")
    area: str = Field(pattern=r"^[EW]\d{8}$")
    shares_restricted: bool = False
    schema_ids: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """One domain of one force: the unit that a connector reads and the normaliser maps."""

    force: str
    domain: str
    system: str
    folder: Path
    schema: Path
    source: Mapping[str, Any]
    mapping: Mapping[str, Any]
    shares_restricted: bool

    @property
    def topic(self) -> str:
        return f"{self.force}.{self.domain}.v1"

    @property
    def positions_topic(self) -> str:
        return f"{self.force}.positions.v1"

    @property
    def control_topic(self) -> str:
        return f"{self.force}.control.v1"

    @property
    def file(self) -> Path:
        return self.folder / f"{self.domain}.toml"

    def __str__(self) -> str:
        return f"{self.force}/{self.domain}"


@dataclass(frozen=True, slots=True)
class Force:
    card: ForceCard
    folder: Path
    feeds: Mapping[str, Feed]

    @property
    def name(self) -> str:
        return self.card.name


def load_forces(folders: Iterable[Path]) -> dict[str, Force]:
    """Read force folders, in order of name.

    Raises `ConfigurationError` naming every problem of every file at once.
    """
    problems: list[str] = []
    forces: dict[str, Force] = {}
    for folder in sorted(folders):
        force = _load(folder, problems)
        if force is None:
            continue
        if force.name in forces:
            problems.append(f"{folder}: force '{force.name}' is also defined in {forces[force.name].folder}.")
        forces[force.name] = force
    if problems:
        raise ConfigurationError("\n".join(problems))
    return forces


def _load(folder: Path, problems: list[str]) -> Force | None:
    card_file = folder / "force.toml"
    table = _toml(card_file, problems)
    if table is None:
        return None
    try:
        card = ForceCard.model_validate(table)
    except ValidationError as error:
        problems += [f"{card_file}: {'.'.join(map(str, e['loc']))}: {e['msg']}." for e in error.errors()]
        return None
    feeds: dict[str, Feed] = {}
    for domain in DOMAINS:
        file = folder / f"{domain}.toml"
        if file.exists() and (feed := _feed(card, file, problems)) is not None:
            feeds[domain] = feed
    if not feeds and not problems:
        problems.append(f"{folder}: no feed here; add one of {', '.join(f'{d}.toml' for d in DOMAINS)}.")
    return Force(card, folder, feeds)


def _feed(card: ForceCard, file: Path, problems: list[str]) -> Feed | None:
    table = _toml(file, problems)
    if table is None:
        return None
    before = len(problems)
    problems.extend(
        f"{file}: '{key}' is missing; see any built-in force for its form."
        for key in ("system", "source", "mapping")
        if key not in table
    )
    problems.extend(
        f"{file}: unknown key '{key}'; only system, source and mapping stand here."
        for key in table.keys() - {"system", "source", "mapping"}
    )
    own, packaged = file.with_suffix(".avsc"), SCHEMAS / card.name / f"{file.stem}.avsc"
    schema = own if own.exists() else packaged
    if not schema.exists():
        problems.append(f"{file}: no schema for it; put one at {own} or {packaged}.")
    if len(problems) > before:
        return None
    return Feed(
        force=card.name,
        domain=file.stem,
        system=str(table["system"]),
        folder=file.parent,
        schema=schema,
        source=table["source"],
        mapping=table["mapping"],
        shares_restricted=card.shares_restricted,
    )


def _toml(file: Path, problems: list[str]) -> dict[str, Any] | None:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        problems.append(f"{file}: missing; a force's folder needs it.")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{file}: not TOML: {error}.")
    return None
