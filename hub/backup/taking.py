"""Takes a backup of store and bus while the hub runs on them."""

import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hub.backup import sqlite_file
from hub.backup.contents import describe_store, ends_of_bus
from hub.backup.manifest import NAME, BusCopy, Manifest, StoreCopy, fingerprint, refuse_offsets_beyond
from hub.backup.postgres_tables import copy_tables
from hub.bus import open_bus
from hub.bus.embedded_locks import WriteLock
from hub.domains import DOMAINS
from hub.errors import ConfigurationError, EnvironmentMissingError
from hub.folders import sync_way
from hub.view.store import sqlite_path, store_database

_TOPICS = [domain.topic for domain in DOMAINS.values()]


def take(to: Path, *, bus_url: str, store_url: str, store_secret: str | None = None) -> Manifest:
    """Back up into the new folder `to`, which is there only once all of it is.

    Raises `ConfigurationError` where there is nothing to back up or `to` is there already,
    `FatalError` where store and bus do not belong together.
    """
    if to.exists():
        raise ConfigurationError(f"{to} is there already; name a folder that is not.")
    growing = to.with_name(f"{to.name}.unfinished")
    try:
        growing.mkdir(mode=0o700, parents=True)  # it holds what the store holds: for its owner alone
    except OSError as error:
        raise EnvironmentMissingError(
            f"{growing} cannot be made ({os.strerror(error.errno or 0)}); where it is left of a backup "
            "that was killed, delete it."
        ) from error
    try:
        manifest = _fill(growing, bus_url, store_url, store_secret)
    except BaseException:
        shutil.rmtree(growing, ignore_errors=True)  # else the next one could not be made
        raise
    growing.rename(to)
    sync_way(to)
    return manifest


def _fill(growing: Path, bus_url: str, store_url: str, store_secret: str | None) -> Manifest:
    manifest = Manifest(
        made_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        hub=version("alliance-hub"),
        store=_store(store_url, store_secret, growing),  # first; see `hub.backup`
        bus=_bus(bus_url, growing),
    )
    refuse_offsets_beyond(
        manifest.store.offsets,
        manifest.bus.ends,
        f"The store is not of {manifest.bus.url}",
        "Name the store's own bus.",
    )
    (growing / NAME).write_text(manifest.model_dump_json(indent=1) + "\n", "utf-8")
    fingerprint(growing / NAME)
    sync_way(growing / NAME)
    return manifest


def embedded_path(bus_url: str) -> Path | None:
    """The file of an embedded bus; None for a Kafka."""
    parts = urlsplit(bus_url)
    return Path(unquote(parts.path)) if parts.scheme == "embedded" else None


@contextmanager
def writing_held(bus: Path) -> Iterator[Callable[[], AbstractContextManager[object]]]:
    """What keeps the embedded bus's writers out for a moment; nothing, where there is no bus yet."""
    locks = Path(f"{bus}.locks")
    if not locks.exists():
        yield nullcontext
        return
    with closing(WriteLock(locks / "write")) as lock:
        yield lock.held


def _store(url: str, secret: str | None, folder: Path) -> StoreCopy:
    path = sqlite_path(url)
    if path is not None:
        sqlite_file.copy(path, folder / "store.db")
        return describe_store(folder / "store.db")
    with store_database(url, secret) as database:
        return copy_tables(database, folder)


def _bus(url: str, folder: Path) -> BusCopy:
    path = embedded_path(url)
    if path is None:
        with closing(open_bus(url)) as bus:
            ends = {f"{p.topic}-{p.partition}": end for p, end in bus.end_offsets(_TOPICS).items()}
            return BusCopy(kind="kafka", url=bus.url, ends=ends)
    copied = folder / "bus.db"
    with writing_held(path) as guard:
        sqlite_file.copy(path, copied, guard)
    return BusCopy(
        kind="embedded", url=url.partition("?")[0], ends=ends_of_bus(copied), piece=fingerprint(copied)
    )
