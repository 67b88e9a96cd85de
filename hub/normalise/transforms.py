"""Every named transform, registered here in plain sight.

A transform is a name in a mapping's `by = "..."`. It states its options and is compiled once
to a function; no mapping can run code.
"""

from datetime import date as day
from typing import Any

from pydantic import Field

from hub.normalise import codes, lists, place, time
from hub.normalise.flags import Flags, Row, as_text, flag
from hub.normalise.forms import form_of
from hub.normalise.rule import Made, Options, Site, Transform
from hub.normalise.time import DateText

_SCALARS = ("string", "int", "long", "float", "double", "boolean")


class TextOptions(Options):
    pass


def text(_options: TextOptions, site: Site) -> Made:
    """Compile taking a column as it is, as text."""
    site.target_is("string")
    column = site.column(*_SCALARS)
    if site.columns[0].kind == "string":
        return Made(lambda row, _flags: row[column] or "", text_of=column)
    return Made(lambda row, _flags: as_text(row[column]))


class JoinedOptions(Options):
    between: str = " "


def joined(options: JoinedOptions, site: Site) -> Made:
    """Compile joining the columns that are not blank."""
    site.target_is("string")
    names = site.several(len(site.columns), *_SCALARS)

    def value(row: Row, _flags: Flags) -> str:
        return options.between.join([found for name in names if (found := as_text(row[name]))])

    return Made(value)


class DailyNumberOptions(Options):
    format: DateText


def daily_number(options: DailyNumberOptions, site: Site) -> Made:
    """Compile a number within its day, as people say it: 123 of 12/04/2016."""
    site.target_is("string")
    number, date = site.several(2, "string", "int", "long")
    form, known, path = form_of(options.format), dict[str, str](), site.target.path

    def value(row: Row, flags: Flags) -> str:
        n, text = row[number], row[date]
        spoken = known.get(text)
        if spoken is None:
            spoken = speak(as_text(text), flags)
        return f"{n} of {spoken}" if spoken and n is not None and n != "" else ""

    def speak(text: str, flags: Flags) -> str:
        found = form.date(text.strip())
        if isinstance(found, day):
            if len(known) > 4096:
                known.clear()
            known[text] = found.strftime("%d/%m/%Y")
            return known[text]
        if text.strip():
            flags.append(flag(path, found, text))
        return ""

    return Made(value)


class YesNoOptions(Options):
    """`yes` and `no` list the words (or true and false, or "" for blank); `otherwise` is for any other."""

    yes: tuple[str | bool, ...] = Field(min_length=1)
    no: tuple[str | bool, ...] = Field(min_length=1)
    otherwise: bool


def yes_no(options: YesNoOptions, site: Site) -> Made:
    """Compile a yes or no; a word that is in neither list is flagged and taken for `otherwise`."""
    site.target_is("boolean")
    column = site.column("string", "boolean")
    words: dict[Any, bool] = dict.fromkeys(options.yes, True) | dict.fromkeys(options.no, False)
    if "" in words:
        words[None] = words[""]

    def value(row: Row, flags: Flags) -> bool:
        found = words.get(row[column])
        if found is None:
            found = words.get(as_text(row[column]).strip())
        if found is None:
            flags.append(flag(site.target.path, "unknown_word", as_text(row[column])))
            return options.otherwise
        return found

    return Made(value)


class UprnOptions(Options):
    pass


def uprn(_options: UprnOptions, site: Site) -> Made:
    """Compile a property reference: twelve digits, padded with zeros; 0 is none."""
    site.target_is("string")
    column, digits = site.column("string", "int", "long"), 12
    none = "0" * digits

    def value(row: Row, flags: Flags) -> str:
        found = row[column]
        if not found:
            return ""
        text = found.strip() if found.__class__ is str else str(found)
        padded = text.zfill(digits)
        if len(padded) == digits and text.isdigit() and text.isascii() and padded != none:
            return padded
        if text:
            flags.append(flag(site.target.path, "not_a_uprn", text))
        return ""

    return Made(value)


TRANSFORMS: dict[str, Transform] = {
    "text": Transform("A column as it is.", TextOptions, text),
    "joined": Transform("Several columns, with `between` between them.", JoinedOptions, joined),
    "daily_number": Transform(
        "A number and its date in `format`: 123 of 12/04/2016.", DailyNumberOptions, daily_number
    ),
    "yes_no": Transform("`yes` and `no` words; any other is `otherwise`.", YesNoOptions, yes_no),
    "uprn": Transform("A unique property reference number.", UprnOptions, uprn),
    **time.TRANSFORMS,
    **codes.TRANSFORMS,
    **lists.TRANSFORMS,
    **place.TRANSFORMS,
}
