"""What each key's last row says, of those that a backfill wants: a digest, kept on the bus.

A log repeats what was true once: read again, its older rows would look like changes. So a backfill
reads it to its end first and notes what each key's last row says, and takes those rows alone then.
Every note goes out with the publisher's next commit, so that it stands beside the position up to
which was read (invariant 1), and outlives the process.
"""

from collections.abc import Collection, Mapping

from connectors.private_table import PrivateTable
from connectors.publisher import Publisher
from hub.positions import BACKFILL_ROWS

_TABLE = "create table last (key text primary key, digest blob not null) without rowid;"
_MOST_VARIABLES = 500


class LastRows:
    """Digests by key, also in a private table; of no more use than its publisher is."""

    def __init__(self, publisher: Publisher) -> None:
        """Take over what the bus holds of it."""
        self._publisher = publisher
        self._table = PrivateTable(_TABLE)
        self._notes = 0
        notes = publisher.positions.taken_out(BACKFILL_ROWS)
        for number in sorted(map(int, notes)):
            self._notes = number + 1
            self._apply(notes[str(number)])

    def put(self, digests: Mapping[str, bytes], at: int) -> None:
        """Note what the newest row of each of these keys says."""
        if digests:
            self._note({key: digest.hex() for key, digest in digests.items()}, at)

    def drop(self, keys: Collection[str], at: int) -> None:
        """Forget those of these keys that are noted."""
        if held := self.of(keys):
            self._note(dict.fromkeys(held), at)

    def clear(self, at: int) -> None:
        """Forget all of them, on the bus too."""
        for number in range(self._notes):
            self._publisher.note(f"{BACKFILL_ROWS}{number}", None, at)
        self._notes = 0
        self._table.all("delete from last")

    def of(self, keys: Collection[str]) -> dict[str, bytes]:
        """What is noted of these keys."""
        found: dict[str, bytes] = {}
        asked = list(keys)
        for start in range(0, len(asked), _MOST_VARIABLES):
            chunk = asked[start : start + _MOST_VARIABLES]
            marks = ",".join("?" * len(chunk))
            found.update(self._table.all(f"select key, digest from last where key in ({marks})", chunk))
        return found

    def after(self, key: str, most: int) -> dict[str, bytes]:
        """The next of them in order of key; none at the end."""
        return dict(
            self._table.all("select key, digest from last where key > ? order by key limit ?", (key, most))
        )

    def count(self) -> int:
        return int(self._table.all("select count(*) from last")[0][0])

    def close(self) -> None:
        self._table.close()

    def _note(self, changes: Mapping[str, str | None], at: int) -> None:
        self._publisher.note(f"{BACKFILL_ROWS}{self._notes}", changes, at)
        self._notes += 1
        self._apply(changes)

    def _apply(self, changes: Mapping[str, str | None]) -> None:
        put = [(key, bytes.fromhex(digest)) for key, digest in changes.items() if digest is not None]
        gone = [(key,) for key, digest in changes.items() if digest is None]
        self._table.run(
            ("insert or replace into last values (?, ?)", put), ("delete from last where key = ?", gone)
        )
