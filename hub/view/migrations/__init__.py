"""How the store's tables come from one release to the next, and back: one script a step, for alembic.

A new store is made from `hub/view/tables.py` and marked with the newest revision; a test holds both
to the same tables. Revisions are counted, `0001`, `0002`, and each one's number is kept in
`store_version` too, so that releases that know only that mark refuse a newer store. To add one:

    .venv/bin/alembic -c hub/view/migrations/alembic.ini revision -m "what changes"

then set `HEAD`, change `tables.py` and write `downgrade`. **Expand first, contract a release
later:** views of the release before go on writing while a revision runs and after it, so a new
column may be null or has a default, and what is dropped was not written by the release before.
"""

from os import pathsep
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent

HEAD = "0002"
"""The revision that this release needs."""


class Revisions(NamedTuple):
    """Where the scripts are, and which is the newest of them."""

    folders: tuple[Path, ...] = (FOLDER / "versions",)
    head: str = HEAD

    def config(self) -> "Config":
        """What alembic needs to find the scripts."""
        from alembic.config import Config  # brings a template engine, which few commands need

        config = Config()
        config.set_main_option("script_location", str(FOLDER))
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", pathsep.join(map(str, self.folders)))
        return config

    def in_order(self) -> list[str]:
        """The revisions from the first release's to the newest, as each script says what it follows."""
        from alembic.script import ScriptDirectory

        scripts = ScriptDirectory.from_config(self.config())
        return [script.revision for script in scripts.walk_revisions(head=self.head)][::-1]


OWN = Revisions()
