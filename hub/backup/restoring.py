"""Puts a backup back: all of it checked first, nothing overwritten unless told."""

from contextlib import closing
from pathlib import Path

from hub.backup import sqlite_file
from hub.backup.manifest import Manifest, Piece, check, read_manifest, refuse_offsets_beyond
from hub.backup.postgres_tables import put_back_tables, refuse_store_present
from hub.backup.taking import embedded_path, writing_held
from hub.bus import open_bus
from hub.domains import DOMAINS
from hub.errors import ConfigurationError
from hub.view.migrations import OWN
from hub.view.store import sqlite_path, store_database

LEAP = 1_000_000_000
"""How far change numbers leap: those given out after the backup must not be given to other changes,
or a caller of the live stream that goes on from one of them would miss what is applied anew."""

_TOPICS = [domain.topic for domain in DOMAINS.values()]
_CHANGE = f"UPDATE change_counter SET last = last + {LEAP}"


def put_back(
    folder: Path,
    *,
    bus_url: str,
    store_url: str,
    store_secret: str | None = None,
    overwrite: bool = False,
) -> Manifest:
    """Restore what `backup` wrote to `folder`, while the hub stands still.

    First the bus, then the store: a store without its bus would have read what is not there, a bus
    without its store is replayed. Raises `ConfigurationError` where something is there already or in
    use, or bus or store are of another kind, `FatalError` where the backup is damaged.
    """
    manifest = read_manifest(folder)
    _refuse_other_kinds(manifest, bus_url, store_url)
    check(folder, _pieces(manifest))
    bus, store = embedded_path(bus_url), sqlite_path(store_url)
    _refuse_present(bus, store, store_url, store_secret, overwrite=overwrite)
    if bus is not None:
        with writing_held(bus) as guard:
            sqlite_file.put_back(folder / "bus.db", bus, overwrite=overwrite, guard=guard)
    else:
        _refuse_another_kafka(manifest, bus_url)
    if store is not None:
        sqlite_file.put_back(folder / "store.db", store, _CHANGE, overwrite=overwrite)
    else:
        with store_database(store_url, store_secret) as database:
            put_back_tables(database, manifest.store, folder, _CHANGE, overwrite=overwrite)
    return manifest


def _pieces(manifest: Manifest) -> list[Piece]:
    tables = [table.piece for table in manifest.store.tables.values()]
    return [piece for piece in (manifest.store.piece, manifest.bus.piece, *tables) if piece is not None]


def _refuse_other_kinds(manifest: Manifest, bus_url: str, store_url: str) -> None:
    bus = "kafka" if embedded_path(bus_url) is None else "embedded"
    store = "postgresql" if sqlite_path(store_url) is None else "sqlite"
    problems = [
        f"The backup's {what} was {then}, and the one named is {now}; name one of its kind."
        for what, then, now in (("bus", manifest.bus.kind, bus), ("store", manifest.store.kind, store))
        if then != now
    ]
    if manifest.store.revision not in OWN.in_order():
        problems.append(
            f"The backup is of a later release (revision {manifest.store.revision}, newer than {OWN.head} of "
            "this hub); restore it with that one."
        )
    if problems:
        raise ConfigurationError("\n".join(problems))


def _refuse_present(
    bus: Path | None, store: Path | None, store_url: str, store_secret: str | None, *, overwrite: bool
) -> None:
    """Look at both before either is touched."""
    for path in (bus, store):
        if path is not None:
            sqlite_file.refuse_present(path, overwrite=overwrite)
    if store is None:
        with store_database(store_url, store_secret) as database:
            refuse_store_present(database, overwrite=overwrite)


def _refuse_another_kafka(manifest: Manifest, bus_url: str) -> None:
    """Its topics may be gone, or made anew: then the store of the backup would skip what comes there."""
    with closing(open_bus(bus_url)) as bus:
        there = bus.describe_topics()
        found = bus.end_offsets([topic for topic in _TOPICS if topic in there])
    refuse_offsets_beyond(
        manifest.store.offsets,
        {f"{p.topic}-{p.partition}": end for p, end in found.items()},
        f"The backup's store is not of {bus_url.partition('?')[0]}, or topics there were lost",
        "Name the backup's own Kafka; or restore nothing and start the hub on an empty store, which the "
        "connectors and the view fill.",
    )
