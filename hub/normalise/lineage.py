"""Where the value of an alliance field came from, told on demand and costing nothing per record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hub.normalise.alliance import HEAD, Node
from hub.normalise.code_tables import CodeRow, Table
from hub.normalise.flags import Row, as_text
from hub.normalise.forms import Form
from hub.normalise.rule import Rule

ENVELOPE_FIELDS = {
    "id": "record_id", "force": "record_id", "system": "system", "source_key": "key",
    "source_version": "source_version", "deleted": "deleted", "provenance": "read_at",
}  # fmt: skip
"""Head fields, and the field of the force's envelope that each comes from."""


class RawEvent(NamedTuple):
    """Where the force's own event lies."""

    topic: str
    partition: int | None
    offset: int | None


@dataclass(frozen=True, slots=True)
class Lineage:
    """The way of one value: source columns, rule, table rows, mapping version and raw event.

    `columns` are named as in the force's system. `by` is the transform; "envelope" where the
    hub itself fills the field, "blank" where the mapping says that nothing does. `rows` are
    the rows of `table` that applied.
    """

    field: str
    columns: tuple[str, ...]
    by: str
    rule: Mapping[str, Any]
    table: str | None
    rows: tuple[CodeRow, ...]
    mapping_version: int
    raw: RawEvent


class Ancestry:
    """The lineage of every field that one version of a mapping fills."""

    def __init__(
        self,
        version: int,
        alliance: Node,
        rules: Sequence[Rule],
        tables: Mapping[str, Table],
        date_form: Callable[[str], tuple[Node, Form]],
    ) -> None:
        self._version, self._alliance, self._tables = version, alliance, tables
        self._date_form = date_form
        self._rule_of = {leaf: rule for rule in rules for leaf in rule.leaves}

    def of(self, field: str, envelope: Mapping[str, Any] | None, raw: RawEvent) -> list[Lineage]:
        """One entry for each rule that fills the field or a part of it; `KeyError` for no such field."""
        node = self._alliance.find(field)
        if node is None:
            raise KeyError(field)
        found: dict[str, Lineage] = {}
        for leaf in node.leaves():
            rule = self._rule_of.get(leaf)
            if rule is None:
                found[leaf] = self._ruleless(leaf, raw)
            elif rule.target.path not in found:
                found[rule.target.path] = self._of_rule(rule, envelope, raw)
        return list(found.values())

    def _ruleless(self, leaf: str, raw: RawEvent) -> Lineage:
        top = leaf.split(".", maxsplit=1)[0]
        source, by = ENVELOPE_FIELDS.get(top), "envelope" if top in HEAD else "blank"
        return Lineage(leaf, (source,) if source else (), by, {}, None, (), self._version, raw)

    def _of_rule(self, rule: Rule, envelope: Mapping[str, Any] | None, raw: RawEvent) -> Lineage:
        columns = tuple(node.column or node.name for node in rule.columns)
        name = rule.written.get("codes")
        table = self._tables.get(name) if name else None
        rows = () if table is None or envelope is None else self._rows(rule, table, envelope["row"])
        return Lineage(rule.target.path, columns, rule.by, rule.written, name, rows, self._version, raw)

    def _rows(self, rule: Rule, table: Table, row: Row) -> tuple[CodeRow, ...]:
        value, day = rule.made.value(row, []), None
        if on := rule.written.get("on"):
            node, form = self._date_form(on)
            date = form.date(as_text(row[node.name]).strip()[: form.width])
            day = None if isinstance(date, str) else date.isoformat()
        if isinstance(value, dict):
            codes = [value["local"]]
        elif isinstance(value, list):
            codes = [item["local"] for item in value]
        else:
            codes = [as_text(row[rule.columns[0].name])]
        return tuple(found for code in codes if (found := table.find(code, day)) is not None)
