"""The embedded bus's file: where it may lie, what is in it, and what SQLite's errors mean."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from hub.errors import (
    ConfigurationError,
    EnvironmentMissingError,
    FatalError,
    HubError,
    TransientError,
)
from hub.folders import sync_way

VERSION = 1
PAGE_BYTES = 4096
BUSY_SECONDS = 10.0
WAL_PAGES = 2000
WAL_LIMIT_BYTES = 64 * 1024 * 1024

OFFSET_BITS = 40

# A batch's id is its partition and its last offset in one integer: a key of two columns would
# need either an index beside the table or rows kept in the inner pages of the tree.
# `live` counts a partition's records, `compacted_to` is how far one key has one record.
_SCHEMA = """
CREATE TABLE topics (name TEXT PRIMARY KEY, spec TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL, number INTEGER NOT NULL,
    next_offset INTEGER NOT NULL DEFAULT 0, live INTEGER NOT NULL DEFAULT 0,
    compacted_to INTEGER NOT NULL DEFAULT 0, UNIQUE (topic, number)
);
CREATE TABLE batches (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL, records INTEGER NOT NULL,
    newest INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE members (consumer_group TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE offsets (
    consumer_group TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    metadata TEXT NOT NULL, PRIMARY KEY (consumer_group, partition)
) WITHOUT ROWID;
CREATE TABLE producers (transactional_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
"""

# Topics of an embedded bus are never deleted, so the file's own id says which they are. Files of the
# first release had none, and get it when they are next opened.
_IDENTITY = """
CREATE TABLE identity (id TEXT NOT NULL);
INSERT INTO identity VALUES (lower(hex(randomblob(16))));
"""

_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|ncpfs|ceph|glusterfs|lustre|gpfs|fuse\.(?!(ext|fuse-?ov|ntfs)).*"
)


def batch_id(partition: int, offset: int) -> int:
    return partition << OFFSET_BITS | offset


def refuse_network_disk(path: Path, mounts: Path) -> None:
    """Raise `ConfigurationError` where `path` lies on a network disk: locks do not hold there.

    `mounts` is in the form of /proc/mounts; a system without it is taken at its word.
    """
    if not mounts.exists():
        return
    place = path.resolve()
    kind, best = "", -1
    for line in mounts.read_text("utf-8", "surrogateescape").splitlines():
        fields = line.split()
        point = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), fields[1]))
        if place.is_relative_to(point) and len(point.parts) >= best:
            kind, best = fields[2], len(point.parts)
    if _NETWORK.fullmatch(kind):
        raise ConfigurationError(
            f"bus file {path} lies on a network disk ({kind}), where file locks do not hold; "
            "put it on a local disk, or use a Kafka bus."
        )


def connect(path: Path, *, limit_mb: int | None = None) -> sqlite3.Connection:
    """Open one connection with the settings on which durability rests (invariant 8)."""
    try:
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        if limit_mb is not None:
            connection.execute(f"PRAGMA max_page_count = {limit_mb * 1024 * 1024 // PAGE_BYTES}")
    except sqlite3.Error as error:
        raise translated(error, path) from error
    return connection


def prepare(path: Path) -> None:
    """Make the file if it is new; refuse one that is newer than this program, or no bus at all."""
    try:
        if not path.exists():
            sync_way(path)
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")  # a library may be built with less
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
            if version == 0 and not tables:
                connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(
                    f"BEGIN IMMEDIATE; {_SCHEMA} {_IDENTITY} PRAGMA user_version = {VERSION}; COMMIT;"
                )
            elif version == 0:
                raise ConfigurationError(f"{path} is an SQLite file but no bus; name another file.")
            elif version > VERSION:
                raise ConfigurationError(
                    f"bus file {path} has version {version}, this program knows up to {VERSION}; "
                    "run the newer program that made it."
                )
            elif "identity" not in tables:
                connection.executescript(f"BEGIN IMMEDIATE; {_IDENTITY} COMMIT;")
    except sqlite3.Error as error:
        raise translated(error, path) from error
    except OSError as error:
        raise EnvironmentMissingError(
            f"the folders on the way to {path} cannot be synced ({os.strerror(error.errno or 0)}); "
            "look at their disk."
        ) from error


def make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentMissingError(
            f"folder {path} cannot be made ({os.strerror(error.errno or 0)}); let this user write there."
        ) from error


def translated(error: sqlite3.Error, path: Path) -> HubError:
    """Say what an SQLite error means for the caller."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return TransientError(
                f"no room left for the bus file {path}; nothing of the transaction was written. "
                "Free space on its disk, or raise its limit_mb."
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return TransientError(
                f"bus file {path} was locked by another program for {BUSY_SECONDS:.0f} s; "
                "close whatever else has it open."
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return EnvironmentMissingError(
                f"bus file {path} cannot be opened for writing ({error}); give this user the right to."
            )
        case sqlite3.SQLITE_NOTADB:
            return ConfigurationError(f"{path} is not an SQLite file and so no bus; name another file.")
    return FatalError(f"bus file {path} failed ({error}); look at its disk before starting again.")
