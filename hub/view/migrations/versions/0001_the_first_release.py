"""The tables of the first release."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from hub.errors import ConfigurationError

revision = "0001"
down_revision = None

_WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_CURRENT: dict[str, dict[str, sa.types.TypeEngine[Any]]] = {
    "incidents": {
        "created_latest": sa.BigInteger(),
        "status": _WORD,
        "grade": _WORD,
        "category": _WORD,
        "geographic_force": _WORD,
        "latitude": sa.Double(),
        "longitude": sa.Double(),
    },
    "staff": {"kind": _WORD, "rank": _WORD, "skill": _WORD, "duty": _WORD},
}


def upgrade() -> None:
    for table, columns in _CURRENT.items():
        _make_current(table, columns)
        _make_history(table)
    _make_kept_offsets()
    _make_counts()
    _make_freshness()
    counter = op.create_table("change_counter", sa.Column("last", sa.BigInteger, nullable=False))
    version = op.create_table("store_version", sa.Column("version", sa.Integer, nullable=False))
    assert counter is not None
    assert version is not None
    op.bulk_insert(counter, [{"last": 0}])
    op.bulk_insert(version, [{"version": 1}])


def downgrade() -> None:
    raise ConfigurationError("There is nothing before the first release.")


def _make_current(table: str, columns: dict[str, sa.types.TypeEngine[Any]]) -> None:
    op.create_table(
        table,
        sa.Column("id", _WORD, primary_key=True),
        sa.Column("force", _WORD, nullable=False),
        sa.Column("source_version", sa.BigInteger, nullable=False),
        sa.Column("mapping_version", sa.Integer, nullable=False),
        sa.Column("change_number", sa.BigInteger, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("restricted", sa.Boolean, nullable=False),
        sa.Column("sort_micros", sa.BigInteger, nullable=False),
        sa.Column("placed", sa.BigInteger, nullable=False),
        *(sa.Column(name, kind) for name, kind in columns.items()),
        sa.Column("body", sa.LargeBinary, nullable=False),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(f"{table}_newest_first", table, ["sort_micros", "id"])


def _make_history(table: str) -> None:
    op.create_table(
        f"{table}_history",
        sa.Column("id", _WORD, primary_key=True),
        sa.Column("source_version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("mapping_version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("change_number", sa.BigInteger),
        sa.Column("applied_at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index(f"{table}_history_change_number", f"{table}_history", ["change_number"])


def _make_kept_offsets() -> None:
    op.create_table(
        "kept_offsets",
        sa.Column("topic", _WORD, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("counted_to", sa.BigInteger, nullable=False),
    )


def _make_counts() -> None:
    op.create_table(
        "counts",
        sa.Column("domain", _WORD, primary_key=True),
        sa.Column("force", _WORD, primary_key=True),
        sa.Column("name", _WORD, primary_key=True),
        sa.Column("n", sa.BigInteger, nullable=False),
    )


def _make_freshness() -> None:
    op.create_table(
        "freshness",
        sa.Column("force", _WORD, primary_key=True),
        sa.Column("domain", _WORD, primary_key=True),
        sa.Column("complete_to", sa.BigInteger),
        sa.Column("seen_at", sa.BigInteger),
    )
