"""How many rows the files themselves hold: counted plainly, apart from the way they are read."""

import csv
import io
import sqlite3
from collections.abc import Iterable, Iterator

from connectors.sources.drops import Drops
from connectors.sources.encoded import resolve
from connectors.sources.files_settings import FilesSettings
from connectors.sources.folder import Folder
from connectors.sources.ledger import Ledger


def count_rows(folder: Folder, drops: Drops, settings: FilesSettings) -> int:
    """Count distinct live keys, in a private temporary file so that memory stays flat."""
    names = drops.list(Ledger({}, snapshot=settings.mode == "snapshot")).ready
    if settings.mode == "snapshot":
        names = names[-1:]
    live = sqlite3.connect("")
    try:
        live.execute("create table live (key text primary key) without rowid")
        for name in names:
            for removed, key in _keys(folder, name, settings):
                live.execute(
                    "delete from live where key = ?" if removed else "insert or ignore into live values (?)",
                    (key,),
                )
        return int(live.execute("select count(*) from live").fetchone()[0])
    finally:
        live.close()


def _keys(folder: Folder, name: str, settings: FilesSettings) -> Iterator[tuple[bool, str]]:
    for row in _rows(folder, name, settings):
        key = [(row.get(column) or "").strip() for column in settings.key]
        ours = settings.only is None or (row.get(settings.only.column) or "").strip() == settings.only.equals
        if ours and all(key):
            removed = (
                settings.removed is not None and row.get(settings.removed.column) in settings.removed.values
            )
            yield removed, "\0".join(key)


def _rows(folder: Folder, name: str, settings: FilesSettings) -> Iterator[dict[str, str]]:
    with folder.open(name) as handle:
        encoding, mark = resolve(settings.encoding, handle.read(4))
        handle.seek(mark)
        lines = io.TextIOWrapper(handle, encoding, errors="replace", newline="")
        if settings.fixed:
            yield from _cut(lines, settings)
            return
        reader = csv.reader(
            lines,
            delimiter=settings.delimiter,
            quotechar=settings.quote or None,
            quoting=csv.QUOTE_MINIMAL if settings.quote else csv.QUOTE_NONE,
        )
        names = list(settings.header or ()) or [name.strip() for name in next(reader, [])]
        for fields in reader:
            if len(fields) == len(names):
                yield dict(zip(names, fields, strict=True))


def _cut(lines: Iterable[str], settings: FilesSettings) -> Iterator[dict[str, str]]:
    for line in lines:
        yield {c.name: line[c.start - 1 : c.start - 1 + c.width] for c in settings.fixed}
