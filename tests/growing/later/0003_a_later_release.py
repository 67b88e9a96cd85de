"""A later release as the tests have it: columns, one with what was there before, an index, a table."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("incidents", sa.Column("seen_at", sa.BigInteger))
    op.execute("UPDATE incidents SET seen_at = sort_micros")
    op.create_index("incidents_by_seen_at", "incidents", ["seen_at"])
    op.add_column("kept_offsets", sa.Column("read_at", sa.BigInteger))
    op.create_table("notes", sa.Column("id", sa.Text, primary_key=True))


def downgrade() -> None:
    op.drop_table("notes")
    op.drop_column("kept_offsets", "read_at")
    op.drop_index("incidents_by_seen_at", "incidents")
    op.drop_column("incidents", "seen_at")
