"""Lists in one column: units, skills and qualifiers, as delimited text or as a list in the row."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from hub.normalise.alliance import Node
from hub.normalise.codes import CodeOptions, translation
from hub.normalise.flags import Flags, Row, as_text, flag
from hub.normalise.rule import Made, Options, RuleError, Site, Transform
from hub.normalise.time import DateText, read_date
from hub.schema.lasting import Lasting

_MOST_KNOWN, _LONGEST_KNOWN = 8192, 100
_PART = re.compile(r"\{([a-z_]+)\}")

EMPTY: list[Any] = []


class _ItemOptions(Options):
    """`codes` translates an item's `local`; `dates` gives the form of those of its fields that are dates."""

    codes: str | None = None
    on: str | None = None
    otherwise: str | None = None
    dates: dict[str, DateText] = Field(default_factory=dict)

    def as_codes(self) -> CodeOptions | None:
        if self.codes is None:
            return None
        return CodeOptions.model_validate(
            {"from": self.columns, "codes": self.codes, "on": self.on, "otherwise": self.otherwise}
        )


def _item_form(form: str) -> str:
    parts = _PART.split(form)
    if len(parts) < 3 or parts[0] or any(not each for each in parts[2:-1:2]):
        raise ValueError("an item begins with a {field}; further ones follow after some text")
    return form


class ListOptions(_ItemOptions):
    item: Annotated[str, AfterValidator(_item_form)]
    between: str | None = Field(None, min_length=1)


class RecordsOptions(_ItemOptions):
    fields: dict[str, str] = Field(min_length=1)


Maker = Callable[[Row, Mapping[str, str], Flags], dict[str, Any]]


class _Cutter:
    """Cuts the text of an item into its fields, by the text that stands between them."""

    def __init__(self, form: str) -> None:
        parts = _PART.split(form)
        self.names, self._gaps, self._end = parts[1::2], parts[2:-1:2], parts[-1]

    def cut(self, text: str) -> tuple[dict[str, str], bool]:
        """Fields after a missing gap are blank; False where the beginning or the end is missing."""
        found = dict.fromkeys(self.names, "")
        rest = text
        for name, gap in zip(self.names, self._gaps, strict=False):
            part, gap_found, rest = rest.partition(gap)
            found[name] = part.strip()
            if not gap_found:
                return found, bool(found[self.names[0]])
        found[self.names[-1]] = rest.removesuffix(self._end).strip()
        return found, bool(found[self.names[0]]) and rest.endswith(self._end)


def delimited(options: ListOptions, site: Site) -> Made:
    """Compile the reading of a list of items, each in the form of `item`, with `between` between them."""
    column = site.column("string", "array")
    if (site.columns[0].kind == "string") != (options.between is not None):
        raise RuleError(
            "`between` says what stands between items in text; leave it out for a list in the row."
        )
    item = site.columns[0].item
    if item is not None and item.kind != "string":
        raise RuleError("the column holds records; use by = 'records'.")
    items = _item_reader(options, site)
    between = options.between
    if between is None:
        return Made(lambda row, flags: items(row, row[column], flags) if row[column] else EMPTY)
    return Made(lambda row, flags: items(row, row[column].split(between), flags) if row[column] else EMPTY)


ItemReader = Callable[[Row, Sequence[str | None], Flags], list[Any]]


def _item_reader(options: ListOptions, site: Site) -> ItemReader:
    cutter, path = _Cutter(options.item), site.target.path
    make, first = _maker(options, site, cutter.names), cutter.names[0]
    keep = options.on is None
    known: dict[str | None, Any] = {}

    def items(row: Row, texts: Sequence[str | None], flags: Flags) -> list[Any]:
        try:
            return [known[text] for text in texts]
        except KeyError:
            found = (read(row, text, flags) for text in texts if text is not None)
            return [item for item in found if item is not None]

    def read(row: Row, text: str, flags: Flags) -> dict[str, Any] | None:
        if text in known:
            return known[text]  # type: ignore[no-any-return]
        if not text.strip():
            return None
        before = len(flags)
        found, whole = cutter.cut(text.strip())
        if not whole:
            flags.append(flag(path, "not_an_item", text))
        item = Lasting(make(row, found, flags)) if found[first] else None
        if keep and len(flags) == before and len(text) <= _LONGEST_KNOWN:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            known[text] = item
        return item

    return items


def records(options: RecordsOptions, site: Site) -> Made:
    """Compile the reading of a list of records in the row, field by field."""
    column = site.column("array")
    item = site.columns[0].item
    if item is None or item.kind != "record":
        raise RuleError("the column holds no records; use by = 'list'.")
    unknown = [name for name in options.fields.values() if name not in item.fields]
    if unknown:
        raise RuleError(f"the records have no field '{unknown[0]}'; they have {', '.join(item.fields)}.")
    make, pairs = _maker(options, site, list(options.fields)), tuple(options.fields.items())

    def value(row: Row, flags: Flags) -> list[Any]:
        found = row[column]
        if not found:
            return EMPTY
        return [
            make(row, {name: as_text(each.get(source)) for name, source in pairs}, flags) for each in found
        ]

    return Made(value)


def _maker(options: _ItemOptions, site: Site, names: Sequence[str]) -> Maker:
    site.target_is("array")
    node = site.target.item
    assert node is not None
    _check_names(options, node, names)
    as_codes = options.as_codes()
    lookup = translation(as_codes, site, _below(node, site.target.path))[0] if as_codes else None
    dates = [(name, read_date(form, site.target.path)) for name, form in options.dates.items()]

    def make(row: Row, texts: Mapping[str, str], flags: Flags) -> dict[str, Any]:
        item: dict[str, Any] = {**node.blank, **texts}
        for name, read in dates:
            item[name] = read(texts[name], flags) if texts[name] else ""
        if lookup is not None:
            item.update(lookup(row, texts["local"], flags))
        return item

    return make


def _below(node: Node, path: str) -> Node:
    """The item's record under the list's own path, which flags then name."""
    return Node(path, node.kind, fields=node.fields, blank=node.blank)


def _check_names(options: _ItemOptions, node: Node, names: Sequence[str]) -> None:
    if node.kind != "record":
        raise RuleError("the field holds no records.")
    for name in (*names, *options.dates):
        if name not in node.fields:
            raise RuleError(f"its items have no field '{name}'; they have {', '.join(node.fields)}.")
        if node.fields[name].kind != "string":
            raise RuleError(f"'{name}' is {node.fields[name].kind}, which text cannot fill; use `codes`.")
    strangers = [name for name in options.dates if name not in names]
    if strangers:
        raise RuleError(f"`dates` names '{strangers[0]}', which the item does not.")
    if len(set(names)) != len(names):
        raise RuleError("the item names a field twice.")
    if options.codes is not None and "local" not in names:
        raise RuleError("`codes` translates the item's 'local', which it does not name.")


TRANSFORMS = {
    "list": Transform(
        "A list of items in the form `item`, with `between` between them.", ListOptions, delimited
    ),
    "records": Transform("A list of records in the row, by `fields`.", RecordsOptions, records),
}
