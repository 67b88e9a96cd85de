"""What a transform is: options that are checked at start, and a function made once from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hub.normalise.alliance import Node
from hub.normalise.flags import Row, Value

if TYPE_CHECKING:
    from hub.normalise.boundary import Boundary
    from hub.normalise.code_tables import Table
    from hub.normalise.forms import Form


class RuleError(Exception):
    """A rule cannot be compiled: what is wrong and how to mend it."""


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Options(BaseModel):
    """What every rule states: `from`, one source column or several."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: Annotated[tuple[str, ...], BeforeValidator(_several)] = Field(alias="from", min_length=1)


@dataclass(frozen=True, slots=True)
class Site:
    """Where a rule stands: its target, its columns in order, and what it may ask for while compiling.

    `table` loads a code table, `date_form` finds the form in which a column holds a local date.
    """

    target: Node
    columns: tuple[Node, ...]
    table: Callable[[str], "Table"]
    date_form: Callable[[str], "tuple[Node, Form]"]
    boundary: "Boundary | None"

    def column(self, *kinds: str) -> str:
        """The one column's name in a row; `RuleError` where there are more or its type does not fit."""
        return self.several(1, *kinds)[0]

    def several(self, count: int, *kinds: str) -> tuple[str, ...]:
        if len(self.columns) != count:
            raise RuleError(f"'from' names {len(self.columns)} columns where this transform takes {count}.")
        for node in self.columns:
            if kinds and node.kind not in kinds:
                raise RuleError(
                    f"column '{node.column or node.name}' is {node.kind}; this takes {', '.join(kinds)}."
                )
        return tuple(node.name for node in self.columns)

    def target_is(self, kind: str) -> None:
        """Refuse a target of another kind."""
        if self.target.kind != kind:
            raise RuleError(
                f"it gives {kind}, but the field is {self.target.kind}; choose another transform."
            )

    def target_has(self, *names: str) -> None:
        """Refuse a target that is not a record with these fields."""
        missing = [name for name in names if name not in self.target.fields]
        if missing:
            raise RuleError(f"it gives a record with '{missing[0]}', which the field has not.")


@dataclass(frozen=True, slots=True)
class Made:
    """A compiled rule, and which of its target's fields it fills; empty means the whole target.

    `text_of` names the column where the value is nothing but that column's text, blank for
    null: the mapper then takes it without a call. `whole` says that the value is a record of
    its own with every field of the target, those that it does not fill blank. `ahead` is told
    of many rows before `value` is asked for each: it may do at once what costs more one by one.
    """

    value: Value
    fills: tuple[str, ...] = ()
    text_of: str | None = None
    whole: bool = False
    ahead: Callable[[Sequence[Row]], None] | None = None


@dataclass(frozen=True, slots=True)
class Transform:
    """A named way from source columns to a field; `doc` is for whoever writes a mapping."""

    doc: str
    options: type[Options]
    make: Callable[[Any, Site], Made]


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `[mapping.fields]`, checked: how one alliance field is had."""

    target: Node
    by: str
    options: Options
    columns: tuple[Node, ...]
    made: Made
    written: Mapping[str, Any]

    @property
    def leaves(self) -> tuple[str, ...]:
        """Paths of every alliance field it fills."""
        if not self.made.fills:
            return tuple(self.target.leaves())
        found = (self.target.fields[name] for name in self.made.fills)
        return tuple(leaf for node in found for leaf in node.leaves())


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a mapping that a person must mend."""

    file: Path
    key: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.what}"
