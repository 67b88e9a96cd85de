"""How the store's tables come from one release to the next, and back: one script a step, for alembic.

A new store is made from `hub/view/tables.py` and marked with the newest revision; a test holds both
to the same tables. Revisions are counted, `0001`, `0002`, and each one's number is kept in
`store_version` too, so that releases that know only that mark refuse a newer store. To add one:

    .venv/bin/alembic -c hub/view/migrations/alembic.ini revision -m "what changes"

then set `HEAD`, change `tables.py` and write `downgrade`. **Expand first, contract a release
later:** views of the release before go on writing while a revision runs and after it, so a new
column may be null or has a default, and what is dropped was not written by the release before.
"""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent

FIRST = "0001"
"""The tables of the first release, which bore no mark of alembic. There is no way back from them."""

HEAD = "0001"
"""The revision that this release needs."""


class Revisions(NamedTuple):
    """Where the scripts are, and which is the newest of them."""

    folders: tuple[Path, ...] = (FOLDER / "versions",)
    head: str = HEAD


OWN = Revisions()
