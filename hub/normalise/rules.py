"""Reads `[mapping]` of a feed: every rule checked and compiled, every mistake found at once."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub.forces import Feed
from hub.normalise.alliance import Node
from hub.normalise.boundary import Boundary
from hub.normalise.code_tables import Table, load_table
from hub.normalise.forms import Form, form_of
from hub.normalise.rule import Made, Options, Problem, Rule, RuleError, Site
from hub.normalise.transforms import TRANSFORMS


class MappingTable(BaseModel):
    """`[mapping]` of a feed's TOML: `blank` names the alliance fields that nothing in the source fills."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1, le=2_000_000_000)
    fields: dict[str, dict[str, Any]]
    blank: tuple[str, ...] = ()


class RuleReader:
    """Compiles the rules of one feed against the alliance's schema and the columns of the force's row."""

    def __init__(
        self, feed: Feed, alliance: Node, columns: Mapping[str, Node], boundary: Boundary | None
    ) -> None:
        self._feed, self._alliance, self._columns, self._boundary = feed, alliance, columns, boundary
        self.problems: list[Problem] = []
        self.tables: dict[str, Table] = {}
        self.rules: list[Rule] = []
        self.version = 0
        table = self._table()
        if table is not None:
            self.version = table.version
            self.rules = [rule for path, entry in table.fields.items() if (rule := self._rule(path, entry))]
            self._check_cover(table)

    def date_form(self, column: str) -> tuple[Node, Form]:
        """The form in which some rule reads a column's local date; `RuleError` where none does."""
        for entry in self._feed.mapping["fields"].values():
            reads = entry.get("by") in {"local_time", "date"} and entry.get("from") in (column, [column])
            if reads and column in self._columns and (form := _form(entry.get("format"))):
                return self._columns[column], form
        raise RuleError(f"`on` names '{column}', which no rule reads by local_time or date.")

    def _table(self) -> MappingTable | None:
        try:
            return MappingTable.model_validate(self._feed.mapping)
        except ValidationError as error:
            self._add_all("mapping", error)
            return None

    def _rule(self, path: str, entry: Mapping[str, Any]) -> Rule | None:
        key = f"mapping.fields.{path}"
        target = self._target(key, path)
        by = str(entry.get("by") or ("codes" if "codes" in entry else "text"))
        transform = TRANSFORMS.get(by)
        if transform is None:
            self._add(f"{key}.by", f"no transform is called '{by}'{_suggest(by, TRANSFORMS)}")
            return None
        try:
            options: Options = transform.options.model_validate({k: v for k, v in entry.items() if k != "by"})
        except ValidationError as error:
            self._add_all(key, error)
            return None
        columns = self._source(key, options)
        if target is None or columns is None:
            return None
        site = Site(target, columns, self._code_table, self.date_form, self._boundary)
        try:
            made: Made = transform.make(options, site)
        except RuleError as error:
            self._add(key, str(error))
            return None
        return Rule(target, by, options, columns, made, entry)

    def _target(self, key: str, path: str) -> Node | None:
        target = self._alliance.find(path)
        if target is None:
            known = [node.path for node in _below(self._alliance) if not node.is_head]
            self._add(key, f"the alliance record has no field '{path}'{_suggest(path, known)}")
        elif target.is_head:
            self._add(key, "the hub fills this field itself; remove the rule.")
            return None
        return target

    def _source(self, key: str, options: Options) -> tuple[Node, ...] | None:
        unknown = [name for name in options.columns if name not in self._columns]
        for name in unknown:
            self._add(f"{key}.from", f"the source has no column '{name}'{_suggest(name, self._columns)}")
        return None if unknown else tuple(self._columns[name] for name in options.columns)

    def _code_table(self, name: str) -> Table:
        if name not in self.tables:
            table, problems = load_table(self._feed.folder, name)
            if table is None:
                raise RuleError(problems[0])
            self.problems += [Problem(self._feed.file, f"codes '{name}'", each) for each in problems]
            self.tables[name] = table
        return self.tables[name]

    def _check_cover(self, table: MappingTable) -> None:
        """Every alliance field is filled by one rule, or said to be blank."""
        filled: dict[str, str] = {}
        for rule in self.rules:
            for leaf in rule.leaves:
                if leaf in filled:
                    self._add(
                        f"mapping.fields.{rule.target.path}",
                        f"'{leaf}' is also filled by '{filled[leaf]}'; remove one.",
                    )
                filled[leaf] = rule.target.path
        open_leaves = [leaf for leaf in self._content_leaves() if leaf not in filled]
        # A rule that is wrong itself does not make its field missing as well.
        excused = [*table.blank, *(path for path in table.fields if not self._has_rule(path))]
        for path in table.blank:
            self._check_blank(path, open_leaves)
        missing = [leaf for leaf in open_leaves if not any(_is_below(leaf, path) for path in excused)]
        for path in self._summed(missing, open_leaves):
            self._add("mapping.fields", f"no rule fills '{path}'; add one, or name it in `blank`.")

    def _check_blank(self, path: str, open_leaves: Iterable[str]) -> None:
        if self._alliance.find(path) is None:
            known = _suggest(path, (node.path for node in _below(self._alliance)))
            self._add("mapping.blank", f"the alliance record has no field '{path}'{known}")
        elif not any(_is_below(leaf, path) for leaf in open_leaves):
            self._add("mapping.blank", f"'{path}' is filled by a rule; take it out of `blank`.")

    def _has_rule(self, path: str) -> bool:
        return any(rule.target.path == path for rule in self.rules)

    def _content_leaves(self) -> list[str]:
        return [leaf for node in self._alliance.fields.values() if not node.is_head for leaf in node.leaves()]

    def _summed(self, missing: list[str], open_leaves: list[str]) -> list[str]:
        """Name a record once instead of each of its leaves, where all of them are missing."""
        named = []
        for leaf in missing:
            top = leaf.split(".")[0]
            whole = set(self._alliance.fields[top].leaves())
            path = top if whole <= set(open_leaves) else leaf
            if path not in named:
                named.append(path)
        return named

    def _add(self, key: str, what: str) -> None:
        self.problems.append(Problem(self._feed.file, key, what))

    def _add_all(self, key: str, error: ValidationError) -> None:
        for each in error.errors():
            where = ".".join([key, *map(str, each["loc"])])
            unknown = each["type"] == "extra_forbidden"
            self._add(where, "no such option here; remove it." if unknown else f"{each['msg']}.")


def _form(text: Any) -> Form | None:
    try:
        return form_of(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _is_below(leaf: str, path: str) -> bool:
    return leaf == path or leaf.startswith(f"{path}.")


def _below(node: Node) -> Iterator[Node]:
    for each in node.fields.values():
        yield each
        yield from _below(each)


def _suggest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; there are {', '.join(names)}."
