"""The last row of each key that a reading from the beginning came upon.

A log repeats what was true once: read again, its older rows would look like changes. So nothing
of it is compared with what is published before its end is reached, and then each key's last row.
"""

import json
from collections.abc import Iterable

from connectors.private_table import PrivateTable
from connectors.source import Row

_TABLE = (
    "create table last (key text primary key, row text, wanted integer not null default 0) without rowid;"
)


class Gathered:
    """Rows in a private table, of no more use than the process is."""

    def __init__(self) -> None:
        self._table = PrivateTable(_TABLE)
        self._after = ""

    def put(self, rows: Iterable[tuple[Row, bool]]) -> None:
        """Take in rows in the order in which they were read, each with whether it is one of those wanted.

        A key is wanted once any of its rows is. A dropped key stays dropped.
        """
        take = (
            "insert into last values (?, ?, ?) on conflict do update set "
            "row = iif(row is null, null, excluded.row), wanted = max(wanted, excluded.wanted)"
        )
        self._table.run((take, [(row.key, _to_json(row), wanted) for row, wanted in rows]))

    def drop(self, keys: Iterable[str]) -> None:
        """Forget what was or will be gathered of these keys: somebody knows better."""
        forget = "insert into last values (?, null, 0) on conflict do update set row = null"
        self._table.run((forget, [(key,) for key in keys]))

    def count(self) -> int:
        """The keys that are wanted."""
        return int(self._table.all("select count(*) from last where wanted and row is not null")[0][0])

    def take(self, most: int) -> list[Row]:
        """The next of the wanted rows, in order of key; none at the end."""
        rows = self._table.all(
            "select key, row from last where wanted and row is not null and key > ? order by key limit ?",
            (self._after, most),
        )
        if rows:
            self._after = rows[-1][0]
        return [_from_json(key, row) for key, row in rows]

    def close(self) -> None:
        self._table.close()


def _to_json(row: Row) -> str:
    return json.dumps(
        [row.values, row.place, row.version, row.removed, list(row.absent), row.changed_at], default=str
    )


def _from_json(key: str, text: str) -> Row:
    values, place, version, removed, absent, changed_at = json.loads(text)
    return Row(key, values, place, version, removed, absent, changed_at)
