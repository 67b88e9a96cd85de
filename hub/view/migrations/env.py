"""Runs the scripts on the connection, and in the transaction, that the hub began."""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection, update

from hub.view.tables import METADATA, STORE_VERSION


def _tell_earlier_releases(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Keep the number of the revision where releases without alembic look for it."""
    del heads, run_args
    revisions = step.up_revision_ids if step.is_upgrade else step.down_revision_ids
    assert ctx.connection is not None
    ctx.connection.execute(update(STORE_VERSION).values(version=int(revisions[0])))


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        transactional_ddl=True,  # SQLite's is too, in a transaction that was begun by hand
        on_version_apply=_tell_earlier_releases,
    )
    context.run_migrations()


_run(context.config.attributes["connection"])
