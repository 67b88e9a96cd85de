"""Which schema has which id: the committed index, checked whole before anything is read with it.

`schemas/index.json` lists every version of every packaged schema; a force that lies outside the
package lists its own in `index.json` in its folder, with ids from the range that its `force.toml`
claims. An entry:

    {"id": 3, "subject": "leicestershire.incident.v1-value", "version": 1,
     "file": "leicestershire/incident.avsc", "sha256": "..."}

An id is given once and never again. `subject` may have a `*` where many topics share a schema
(`*.dlq-value`). The newest version of a schema is `<name>.avsc`, an older one `<name>.v<N>.avsc`
beside it. `sha256` is `hub.schema.avsc.fingerprint`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hub.domains import DOMAINS
from hub.errors import ConfigurationError
from hub.forces import SCHEMAS, Force
from hub.schema.avsc import Parsed, fingerprint, parse
from hub.schema.rules import check_force_schema

FIRST_OUTSIDE_ID = 10_000
"""Ids below it belong to the package; the `schema_ids` of a force outside begin here or higher."""

SUFFIX = "-value"


class Entry(BaseModel):
    """A line of `index.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int = Field(ge=1, le=0x7FFF_FFFF)
    subject: str = Field(pattern=r"^[a-z0-9*][a-z0-9.*-]*-value$")
    version: int = Field(ge=1)
    file: str = Field(pattern=r"^([\w-]+/)?[\w-]+(\.v\d+)?\.avsc$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


ENTRIES = TypeAdapter(list[Entry])


@dataclass(frozen=True)
class SchemaVersion:
    """One version of one schema, with the id that stands before every value written in it."""

    id: int
    subject: str
    version: int
    file: Path
    schema: Any

    @property
    def name(self) -> str:
        """The file with its folder, such as `alliance/incident.avsc`."""
        return f"{self.file.parent.name}/{self.file.name}"

    @cached_property
    def text(self) -> str:
        """The whole schema as compact JSON, as the registry API gives it."""
        return json.dumps(self.schema, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def parsed(self) -> Parsed:
        return parse(self.schema)


class Registry:
    """Every schema the hub knows, by id and by subject. A subject is `<topic>-value`."""

    def __init__(self, versions: Iterable[SchemaVersion], topics: Iterable[str]) -> None:
        self._by_id = {version.id: version for version in versions}
        self._patterns: dict[str, tuple[SchemaVersion, ...]] = {}
        for version in sorted(self._by_id.values(), key=lambda each: each.version):
            self._patterns[version.subject] = (*self._patterns.get(version.subject, ()), version)
        self._subjects = sorted(
            subject for subject in (f"{topic}{SUFFIX}" for topic in topics) if self.versions(subject)
        )

    def __iter__(self) -> Iterator[SchemaVersion]:
        """All versions, by id."""
        return iter(self._by_id[number] for number in sorted(self._by_id))

    def subjects(self) -> list[str]:
        """The subjects of every topic of the configured forces and of the hub's own."""
        return list(self._subjects)

    def by_id(self, number: int) -> SchemaVersion | None:
        return self._by_id.get(number)

    def versions(self, subject: str) -> tuple[SchemaVersion, ...]:
        """All versions of a subject, oldest first; none where there is no such subject."""
        exact = self._patterns.get(subject)
        if exact is not None:
            return exact
        return next((v for p, v in self._patterns.items() if "*" in p and fnmatchcase(subject, p)), ())

    def newest(self, subject: str) -> SchemaVersion:
        """The version that is written today; ConfigurationError where there is no such subject."""
        versions = self.versions(subject)
        if not versions:
            raise ConfigurationError(
                f"No schema for subject '{subject}'; add one to the index with `alliance-hub schemas add`."
            )
        return versions[-1]


def load_registry(forces: Mapping[str, Force] | None = None) -> Registry:
    """Read the package's index, and that of every force whose schemas lie outside the package.

    Raises `ConfigurationError` naming every problem of every index at once: an id given twice
    or out of range, a file that is missing or changed, a version that is missing, a feed
    without a schema.
    """
    registry, problems = read_registry(forces or {})
    if problems:
        raise ConfigurationError("\n".join(problems))
    return registry


def read_registry(forces: Mapping[str, Force]) -> tuple[Registry, list[str]]:
    """Read the indexes; give what could be read of them, and what is wrong."""
    problems: list[str] = []
    versions = _read_index(SCHEMAS, range(1, FIRST_OUTSIDE_ID), "*", problems)
    claimed: list[tuple[str, range]] = []
    for force in forces.values():
        if any(feed.schema.is_relative_to(force.folder) for feed in force.feeds.values()):
            ids = _claim(force, claimed, problems)
            versions += _read_index(force.folder, ids, force.name, problems)
    _check_together(versions, problems)
    registry = Registry(versions, topics(forces))
    for force in forces.values():
        _check_feeds(force, registry, problems)
    return registry, problems


def topics(forces: Mapping[str, Force]) -> list[str]:
    """Every topic that carries Avro, of these forces, the alliance and the hub."""
    alliance = [domain.topic for domain in DOMAINS.values()]
    feeds = [feed.topic for force in forces.values() for feed in force.feeds.values()]
    positions = [f"{name}.positions.v1" for name in forces]
    dead = [f"{topic}.dlq" for topic in (*alliance, *feeds)]
    return [*alliance, *feeds, *positions, *dead, "hub.audit.v1", "hub.mapping.v1"]


def _claim(force: Force, claimed: list[tuple[str, range]], problems: list[str]) -> range:
    file = force.folder / "force.toml"
    if force.card.schema_ids is None:
        problems.append(
            f"{file}: 'schema_ids' is missing; claim a range, such as [{FIRST_OUTSIDE_ID}, 10099]."
        )
        return range(0)
    first, last = force.card.schema_ids
    ids = range(first, last + 1)
    if first < FIRST_OUTSIDE_ID or not ids:
        problems.append(
            f"{file}: schema_ids [{first}, {last}] must rise and begin at {FIRST_OUTSIDE_ID} or higher; "
            "those below belong to the package."
        )
    for other, taken in claimed:
        if first < taken.stop and taken.start < ids.stop:
            problems.append(
                f"{file}: schema_ids [{first}, {last}] overlap those of '{other}'; choose others."
            )
    claimed.append((force.name, ids))
    return ids


def _read_index(folder: Path, ids: range, owner: str, problems: list[str]) -> list[SchemaVersion]:
    file = folder / "index.json"
    try:
        entries = ENTRIES.validate_json(file.read_bytes())
    except FileNotFoundError:
        problems.append(f"{file}: missing; `alliance-hub schemas add {folder}` makes it.")
        return []
    except ValidationError as error:
        problems += [f"{file}: {'.'.join(map(str, e['loc']))}: {e['msg']}." for e in error.errors()]
        return []
    found = [_read_version(folder, entry, problems) for entry in entries]
    for entry in entries:
        if ids and entry.id not in ids:
            problems.append(
                f"{file}: id {entry.id} is outside {ids.start} to {ids.stop - 1}; choose another."
            )
        if owner != "*" and not entry.subject.startswith(f"{owner}."):
            problems.append(f"{file}: subject '{entry.subject}' is not one of force '{owner}'; remove it.")
    return [version for version in found if version is not None]


def _read_version(folder: Path, entry: Entry, problems: list[str]) -> SchemaVersion | None:
    file = folder / entry.file
    try:
        schema = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        problems.append(f"{file}: missing, but id {entry.id} is given to it; published schemas must stay.")
        return None
    except ValueError as error:
        problems.append(f"{file}: not JSON: {error}.")
        return None
    if (found := fingerprint(schema)) != entry.sha256:
        problems.append(
            f"{file}: changed since id {entry.id} was given to it (sha256 {found[:12]}…, index "
            f"{entry.sha256[:12]}…). Restore it as {file.stem.split('.')[0]}.v{entry.version}.avsc, put the "
            "change in the newest file, and run `alliance-hub schemas add`."
        )
    version = SchemaVersion(entry.id, entry.subject, entry.version, file, schema)
    try:
        _ = version.parsed
    except ConfigurationError as error:
        problems.append(f"{file}: {error}")
        return None
    return version


def _check_together(versions: list[SchemaVersion], problems: list[str]) -> None:
    by_id: dict[int, SchemaVersion] = {}
    by_subject: dict[str, list[SchemaVersion]] = {}
    for version in versions:
        other = by_id.setdefault(version.id, version)
        if other is not version:
            problems.append(
                f"id {version.id} is given to {other.file} and to {version.file}; an id is given once."
            )
        by_subject.setdefault(version.subject, []).append(version)
    for subject, several in by_subject.items():
        numbers = [version.version for version in several]
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            problems.append(f"subject '{subject}' has versions {numbers}; they must be 1 to {len(numbers)}.")
        for version in several:
            older = f".v{version.version}.avsc"
            if version.file.name.endswith(older) == (version.version == max(numbers)):
                problems.append(
                    f"{version.file}: version {version.version} of '{subject}' has the wrong file name; the "
                    f"newest is <name>.avsc, this one as an older one <name>{older}."
                )


def _check_feeds(force: Force, registry: Registry, problems: list[str]) -> None:
    for feed in force.feeds.values():
        versions = registry.versions(f"{feed.topic}{SUFFIX}")
        if not versions or versions[-1].file != feed.schema:
            problems.append(
                f"{feed.file}: its schema {feed.schema} is not in the index as the newest of subject "
                f"'{feed.topic}{SUFFIX}'; run `alliance-hub schemas add {feed.schema.parent}`."
            )
            continue
        problems += [f"{feed.schema}: {wrong}." for wrong in check_force_schema(versions[-1].schema)]
