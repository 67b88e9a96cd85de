"""The store's tables, made from the declared domains; the same on SQLite and PostgreSQL.

Whatever is changed here needs a revision in `hub/view/migrations`.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

from hub.domains import DOMAINS, Domain

METADATA = MetaData()

# Bytewise order on both databases: ids sort the same everywhere, and PostgreSQL compares them faster.
_WORD = Text().with_variant(Text(collation="C"), "postgresql")
_KINDS: dict[str, TypeEngine[Any]] = {"text": _WORD, "integer": BigInteger(), "real": Double()}


def _current(domain: Domain) -> Table:
    """The newest version of every record.

    `placed` is the change number at which the record took its place in the list. Only columns
    that seldom change are indexed, so that PostgreSQL updates a row within its page.
    """
    return Table(
        domain.path,
        METADATA,
        Column("id", _WORD, primary_key=True),
        Column("force", _WORD, nullable=False),
        Column("source_version", BigInteger, nullable=False),
        Column("mapping_version", Integer, nullable=False),
        Column("change_number", BigInteger, nullable=False),
        Column("deleted", Boolean, nullable=False),
        Column("restricted", Boolean, nullable=False),
        Column("sort_micros", BigInteger, nullable=False),
        Column("placed", BigInteger, nullable=False),
        *(Column(column.name, _KINDS[column.kind]) for column in domain.columns),
        Column("body", LargeBinary, nullable=False),
        Index(f"{domain.path}_newest_first", "sort_micros", "id"),
        postgresql_with={"fillfactor": 80},
    )


def _history(domain: Domain) -> Table:
    """Every version of every record; `change_number` is null where the version was never the newest."""
    return Table(
        f"{domain.path}_history",
        METADATA,
        Column("id", _WORD, primary_key=True),
        Column("source_version", BigInteger, primary_key=True, autoincrement=False),
        Column("mapping_version", Integer, primary_key=True, autoincrement=False),
        Column("change_number", BigInteger),
        Column("applied_at", BigInteger, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Index(f"{domain.path}_history_change_number", "change_number"),
    )


CURRENT = {domain.name: _current(domain) for domain in DOMAINS.values()}
HISTORY = {domain.name: _history(domain) for domain in DOMAINS.values()}

KEPT = Table(
    "kept_offsets",
    METADATA,
    Column("topic", _WORD, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("counted_to", BigInteger, nullable=False),
    Column("topic_id", _WORD),
)
"""The next offset to read, and the offset up to which records have been counted.

The two differ only after a rebuild began: what is replayed was counted before. `topic_id` says which
topic the offsets are of, since another may have its name; null until a view has met it.
"""

COUNTS = Table(
    "counts",
    METADATA,
    Column("domain", _WORD, primary_key=True),
    Column("force", _WORD, primary_key=True),
    Column("name", _WORD, primary_key=True),
    Column("n", BigInteger, nullable=False),
)

FRESHNESS = Table(
    "freshness",
    METADATA,
    Column("force", _WORD, primary_key=True),
    Column("domain", _WORD, primary_key=True),
    Column("complete_to", BigInteger),
    Column("seen_at", BigInteger),
)
"""Source time up to which every change is visible, and when that was found; null until it was."""

CHANGE_COUNTER = Table("change_counter", METADATA, Column("last", BigInteger, nullable=False))
"""One row. Whoever takes numbers holds its lock until the commit, so that a change number is
visible only when all lower ones are."""

STORE_VERSION = Table("store_version", METADATA, Column("version", Integer, nullable=False))
"""The number of the revision, for releases that know no other mark."""

REVISION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own mark, in the form in which alembic makes it."""
