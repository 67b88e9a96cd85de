"""What a store on SQLite, or an embedded bus, holds: told from its copy."""

import sqlite3
from contextlib import closing
from pathlib import Path

from hub.backup.manifest import StoreCopy, TableCopy, fingerprint


def describe_store(file: Path) -> StoreCopy:
    with closing(sqlite3.connect(file)) as store:
        names = [name for (name,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        tables = {}
        for name in sorted(names):
            columns = tuple(row[1] for row in store.execute(f"PRAGMA table_info({name})"))
            ((rows,),) = store.execute(f"SELECT count(*) FROM {name}").fetchall()
            tables[name] = TableCopy(columns=columns, rows=rows)
        mark = "alembic_version" if "alembic_version" in names else "store_version"
        ((revision,),) = store.execute(f"SELECT * FROM {mark}").fetchall()
        offsets = store.execute("SELECT topic || '-' || partition, next_offset FROM kept_offsets").fetchall()
    return StoreCopy(
        kind="sqlite",
        revision=revision if isinstance(revision, str) else f"{revision:04}",
        tables=tables,
        offsets=dict(offsets),
        piece=fingerprint(file),
    )


def ends_of_bus(file: Path) -> dict[str, int]:
    """The end of every partition of an embedded bus."""
    with closing(sqlite3.connect(file)) as bus:
        return dict(bus.execute("SELECT topic || '-' || number, next_offset FROM partitions").fetchall())
