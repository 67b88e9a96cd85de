"""Which topic each kept offset is of."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("kept_offsets", sa.Column("topic_id", word))


def downgrade() -> None:
    op.drop_column("kept_offsets", "topic_id")
