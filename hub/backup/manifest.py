"""What a backup says of itself: which files, how long and with which SHA-256, and what is in them."""

import hashlib
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from hub.errors import ConfigurationError, FatalError

NAME = "manifest.json"
_PIECE_BYTES = 1024 * 1024


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Piece(_Said):
    """A file of the backup."""

    name: str
    length: int
    sha256: str


class TableCopy(_Said):
    """A table of the store: its columns in their order, its rows, and on PostgreSQL its file."""

    columns: tuple[str, ...]
    rows: int
    piece: Piece | None = None


class StoreCopy(_Said):
    """The store: `offsets` are those kept, by `topic-partition`."""

    kind: Literal["sqlite", "postgresql"]
    revision: str
    tables: dict[str, TableCopy]
    offsets: dict[str, int]
    piece: Piece | None = None


class BusCopy(_Said):
    """The bus: where each partition ends. A Kafka's topics are not in the backup."""

    kind: Literal["embedded", "kafka"]
    url: str
    ends: dict[str, int]
    piece: Piece | None = None


class Manifest(_Said):
    """A whole backup."""

    form: Literal[1] = 1
    made_at: str
    hub: str
    store: StoreCopy
    bus: BusCopy


def read_manifest(folder: Path) -> Manifest:
    """Read what a backup says of itself; `ConfigurationError` where the folder holds none."""
    try:
        return Manifest.model_validate_json((folder / NAME).read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"{folder} is no backup, or one that was never finished: {NAME}: {error.strerror}."
        ) from error
    except ValidationError as error:
        raise ConfigurationError(
            f"{folder / NAME} is not of this hub: {error.error_count()} errors."
        ) from error


def fingerprint(file: Path) -> Piece:
    """Sync a file and say what it is."""
    digest, length = hashlib.sha256(), 0
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        while piece := opened.read(_PIECE_BYTES):
            digest.update(piece)
            length += len(piece)
    return Piece(name=file.name, length=length, sha256=digest.hexdigest())


def check(folder: Path, pieces: list[Piece]) -> None:
    """Compare files with their fingerprints; `FatalError` names every one that differs."""
    wrong = [p.name for p in pieces if not (folder / p.name).is_file() or fingerprint(folder / p.name) != p]
    if wrong:
        raise FatalError(f"The backup in {folder} is damaged: {', '.join(wrong)}. Use another one.")


def refuse_offsets_beyond(offsets: dict[str, int], ends: dict[str, int], what: str, remedy: str) -> None:
    """Invariant 2: what the store says was read must be there. A topic without an end is missing."""
    beyond = [name for name, offset in offsets.items() if offset > ends.get(name, 0)]
    if beyond:
        places = ", ".join(
            f"{name} ({offsets[name]}, ends at {ends.get(name, 0)})" for name in sorted(beyond)
        )
        raise FatalError(f"{what}: it was read up to beyond the end of {places}. {remedy}")
