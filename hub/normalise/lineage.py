"""Where the value of an alliance field came from, told on demand and costing nothing per record."""

from dataclasses import dataclass
from typing import Any

from hub.normalise.codes import CodeRow


@dataclass(frozen=True, slots=True)
class Lineage:
    """The way of one value: source columns, rule, table rows, mapping version and raw event.

    `columns` are named as in the force's system. `by` is the transform; "envelope" where the
    hub itself fills the field, "blank" where the mapping says that nothing does. `rows` are
    the rows of `table` that applied, and the raw event is where the force's own fields lie.
    """

    field: str
    columns: tuple[str, ...]
    by: str
    rule: dict[str, Any]
    table: str | None
    rows: tuple[CodeRow, ...]
    mapping_version: int
    raw_topic: str
    raw_partition: int | None
    raw_offset: int | None
