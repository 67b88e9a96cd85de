"""Whether a source can be read as its connector will: reachable, its columns there, nothing writable.

Looks only, by a connection of its own beside the connector's: a table for no rows, a file for its
header, a feed for one page.
"""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from connectors.source import Refused
from connectors.sources import open_source
from connectors.sources.drop_file import DropFile
from connectors.sources.drops import Drops
from connectors.sources.files_settings import files_settings
from connectors.sources.folder import LocalFolder
from connectors.sources.folders import open_folder
from connectors.sources.sql_database import Database
from connectors.sources.sql_settings import sql_settings
from hub.doctor.clock import compare
from hub.doctor.finding import Finding, failed, ok, warning
from hub.forces import Feed

_MAY_WRITE = "the hub never does, but an account that cannot is the proof"


def examine_source(feed: Feed, location: str, secret: str | None) -> Iterator[Finding]:
    """Look at the source of a feed; raises what its connector would."""
    match feed.source.get("kind"):
        case "sql":
            yield from _table(feed, location, secret)
        case "files":
            yield from _folder(feed, location, secret)
        case _:
            yield from _pages(feed, location, secret)


def about(feed: Feed) -> str:
    return f"source {feed}"


def _table(feed: Feed, location: str, secret: str | None) -> Iterator[Finding]:
    settings, columns = sql_settings(feed)
    names = [column.name for column in columns]
    with closing(Database(str(feed), settings.table, names, location, secret)) as database:
        database.fetch(lambda shape: sa.select(*shape.columns.values()).limit(0))
        yield ok(about(feed), f"'{settings.table}' can be read, and its {len(names)} columns are there")
        dialect = database.dialect
        if dialect == "sqlite":
            yield _file_is_read_only(feed, Path(sa.make_url(location).database or ""))
        elif dialect == "postgresql":
            yield from _session_is_read_only(feed, database)
        else:
            yield warning(
                about(feed),
                f"that nothing can be written cannot be proved on {dialect}: grant its user SELECT alone. "
                "The hub issues nothing else.",
            )


def _file_is_read_only(feed: Feed, file: Path) -> Finding:
    """Look how the system holds the file open; SQLite was told to open it for reading alone."""
    there = file.stat()
    for handle in Path("/proc/self/fd").glob("*"):
        try:
            held, flags = handle.stat(), (Path("/proc/self/fdinfo") / handle.name).read_text("ascii")
        except OSError:
            continue  # closed meanwhile
        if (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino):
            mode = int(flags.partition("flags:")[2].split()[0], 8) & os.O_ACCMODE
            if mode != os.O_RDONLY:
                return failed(
                    about(feed), f"{file} is held open for writing: a defect of the hub; report it."
                )
    return ok(about(feed), "it is open for reading alone")


def _session_is_read_only(feed: Feed, database: Database) -> Iterator[Finding]:
    rights = sa.func.has_table_privilege
    found = database.shape.table
    named = [part.replace('"', '""') for part in (found.schema, found.name) if part]
    table = ".".join(f'"{part}"' for part in named)
    writes = sa.or_(*(rights(table, right) for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE")))
    ((session, may_write, now),) = database.fetch(
        lambda _: sa.select(
            sa.func.current_setting("transaction_read_only"), writes, sa.func.clock_timestamp()
        )
    )
    if session != "on":
        yield failed(about(feed), "its session is not read-only: a defect of the hub; report it.")
    elif may_write:
        yield warning(
            about(feed),
            f"its user may write '{found.name}': {_MAY_WRITE}: grant it SELECT alone. The "
            "session is read-only.",
        )
    else:
        yield ok(about(feed), "its session is read-only, and its user may not write")
    yield compare(f"{feed}'s database", now)


def _folder(feed: Feed, location: str, secret: str | None) -> Iterator[Finding]:
    settings, columns = files_settings(feed)
    with closing(open_folder(location, secret)) as folder:
        drops = Drops(folder, settings, time.time, time.monotonic)
        looks, _ = folder.list(drops.is_drop)
        if not looks:
            yield warning(
                about(feed),
                f"its folder can be listed and holds no file like '{settings.pattern}': see that drops come.",
            )
        else:
            name = max(looks)
            DropFile(feed, settings, columns, name, folder.open(name), looks[name].size).close()
            yield ok(about(feed), f"its folder holds {len(looks)} files; the columns of {name} are there")
        if not isinstance(folder, LocalFolder):
            yield ok(about(feed), "over SFTP it is only ever listed and opened to read")
        elif os.access(folder.path, os.W_OK) and os.geteuid() != 0:
            yield warning(
                about(feed), f"this user may write in {folder.path}: {_MAY_WRITE}: have it mounted read-only."
            )
        else:
            yield ok(about(feed), "nothing in it is opened for writing")


def _pages(feed: Feed, location: str, secret: str | None) -> Iterator[Finding]:
    with closing(open_source(feed, location, secret)) as source:
        began = time.monotonic()
        batch = source.read({})
        took = time.monotonic() - began
        refused = [row for row in batch.rows if isinstance(row, Refused)]
        if refused and len(refused) == len(batch.rows):
            yield failed(
                about(feed),
                f"none of the {len(refused)} items of its first page can be read: {refused[0].reason} Mend "
                f"the feed, or {feed.file}.",
            )
        else:
            yield ok(about(feed), f"its first page came in {took:.1f} s, with {len(batch.rows)} items")
        yield ok(about(feed), "it is asked by GET alone")
