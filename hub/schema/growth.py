"""Giving ids to new schemas and new versions: what `alliance-hub schemas add` does to an index."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hub.errors import ConfigurationError
from hub.schema.avsc import fingerprint
from hub.schema.compatibility import check_history, mode_of
from hub.schema.index import ENTRIES, Entry
from hub.schema.rules import check_force_schema


def add_versions(folder: Path, ids: range, prefix: str = "") -> list[Entry]:
    """Give the next ids to the schemas of a folder that are new or changed; give the entries made.

    A changed schema is a new version: the old one must lie beside it as `<name>.v<N>.avsc`, and
    the new one must be compatible with it. `prefix` begins the subjects of a force's own folder.
    Raises `ConfigurationError` with every problem, and then leaves the index as it was.
    """
    index = _read(folder / "index.json")
    problems: list[str] = []
    made: list[Entry] = []
    for file in sorted([*folder.glob("*.avsc"), *folder.glob("*/*.avsc")]):
        if "." not in file.stem:
            made += _grow(folder, file, index, ids, prefix, problems)
    if problems:
        raise ConfigurationError("\n".join(problems))
    if made:
        _write(folder / "index.json", index)
    return made


def _grow(
    folder: Path, file: Path, index: list[Entry], ids: range, prefix: str, problems: list[str]
) -> Iterable[Entry]:
    name = file.relative_to(folder).as_posix()
    schema = _schema(file, problems)
    last = next((entry for entry in index if entry.file == name), None)
    if schema is None or (last is not None and last.sha256 == fingerprint(schema)):
        return ()
    number = max([ids.start - 1, *(entry.id for entry in index)]) + 1
    if number not in ids:
        problems.append(f"{file}: no id is left for it in {ids.start} to {ids.stop - 1}.")
        return ()
    subject = last.subject if last else f"{prefix}{name.removesuffix('.avsc').replace('/', '.')}.v1-value"
    if last is not None:
        kept = file.with_name(f"{file.stem}.v{last.version}.avsc")
        if not kept.exists() or fingerprint(_schema(kept, problems)) != last.sha256:
            problems.append(f"{file}: changed; first put version {last.version} as it was at {kept}.")
            return ()
        place = index.index(last)
        index[place] = last.model_copy(update={"file": kept.relative_to(folder).as_posix()})
    history = [_schema(folder / e.file, problems) for e in index if e.subject == subject]
    wrongs = check_history([*history, schema], mode_of(subject))
    if mode_of(subject) == "BACKWARD_TRANSITIVE":
        wrongs += check_force_schema(schema)
    problems += [f"{file}: {wrong}." for wrong in wrongs]
    entry = Entry(
        id=number,
        subject=subject,
        version=last.version + 1 if last else 1,
        file=name,
        sha256=fingerprint(schema),
    )
    index.append(entry)
    return (entry,)


def _read(index: Path) -> list[Entry]:
    try:
        return ENTRIES.validate_json(index.read_bytes())
    except FileNotFoundError:
        return []
    except ValidationError as error:
        raise ConfigurationError(
            f"{index}: not an index of schemas: {error.error_count()} errors."
        ) from error


def _schema(file: Path, problems: list[str]) -> Any:
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError as error:
        problems.append(f"{file}: not JSON: {error}.")
        return None


def _write(index: Path, entries: Sequence[Entry]) -> None:
    """Replace the index at once, an entry a line."""
    lines = ",\n".join(f"  {json.dumps(entry.model_dump())}" for entry in entries)
    draft = index.with_suffix(".json.new")
    draft.write_text(f"[\n{lines}\n]\n", "utf-8")
    draft.replace(index)
