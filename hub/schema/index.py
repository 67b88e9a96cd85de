"""The index of schemas on the disk: which file is which version of what, and with which id.

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
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hub.errors import ConfigurationError
from hub.schema.avsc import Parsed, fingerprint, parse


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


def read_index(folder: Path, ids: range, owner: str, problems: list[str]) -> list[SchemaVersion]:
    """Read the index of a folder; `owner` is the force whose topics it may name, or `*` for any."""
    file = folder / "index.json"
    try:
        entries = ENTRIES.validate_json(file.read_bytes())
    except FileNotFoundError:
        problems.append(f"{file}: missing; `alliance-hub schemas add {folder}` makes it.")
        return []
    except ValidationError as error:
        problems += [f"{file}: {': '.join((*map(str, e['loc']), e['msg']))}." for e in error.errors()]
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


def check_together(versions: list[SchemaVersion], problems: list[str]) -> None:
    """Check what only shows between entries: ids given twice, versions that are missing or misnamed."""
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
