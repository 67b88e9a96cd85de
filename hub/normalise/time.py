"""Transforms of times and dates: the local text is kept beside what it means."""

import datetime as dt
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator

from hub.normalise.flags import Flags, Row, Value, as_text, flag
from hub.normalise.forms import EARLIEST_YEAR, LATEST_YEAR, MOST_DAYS, Form, form_of, instants, micros_of
from hub.normalise.rule import Made, Options, Site, Transform

Time = dict[str, str | int | None]

BLANK_TIME: Time = {"local": "", "earliest": None, "latest": None}


def _with_clock(form: str) -> str:
    if not form_of(form).has_clock:
        raise ValueError("a time of day is missing; add %H and %M, or use by = 'date'")
    return form


def _without_clock(form: str) -> str:
    if form_of(form).has_clock:
        raise ValueError("only a date is taken here; leave %H, %M and %S out")
    return form


DateText = Annotated[str, AfterValidator(_without_clock)]


class LocalTimeOptions(Options):
    format: Annotated[str, AfterValidator(_with_clock)]


class DateOptions(Options):
    format: DateText


class InstantOptions(Options):
    pass


def local_time(options: LocalTimeOptions, site: Site) -> Made:
    """Compile the reading of a British local time into `local`, `earliest` and `latest`."""
    site.target_has(*BLANK_TIME)
    column, form = site.column("string"), form_of(options.format)
    days, heads, tails = form.days, form.heads, form.tails
    cut, second_cut, doubtful = form.width, form.head_width, _doubtful(form, site.target.path)

    def value(row: Row, flags: Flags) -> Time:
        text = row[column]
        if not text:
            return BLANK_TIME
        try:
            at = days[text[:cut]] + heads[text[cut:second_cut]] + tails[text[second_cut:]]  # type: ignore[operator]
        except (KeyError, TypeError):
            return doubtful(text, flags)
        return {"local": text, "earliest": at, "latest": at}

    return Made(value, tuple(BLANK_TIME))


def _doubtful(form: Form, path: str) -> Callable[[str, Flags], Time]:
    """Read what the quick way could not: days of clock changes, blanks around the text, and mistakes."""

    def value(text: str, flags: Flags) -> Time:
        stripped = text.strip()
        if not stripped:
            return BLANK_TIME
        local = form.read(stripped)
        found = None if isinstance(local, str) else instants(local)
        if found is None:
            flags.append(flag(path, local if isinstance(local, str) else "missing_hour", text))
            return {"local": text, "earliest": None, "latest": None}
        if found[0] != found[1]:
            flags.append(flag(path, "repeated_hour", text))
        return {"local": text, "earliest": found[0], "latest": found[1]}

    return value


def instant(_options: InstantOptions, site: Site) -> Made:
    """Compile the reading of an ISO 8601 instant that states its offset."""
    site.target_has(*BLANK_TIME)
    column, path = site.column("string"), site.target.path

    def value(row: Row, flags: Flags) -> Time:
        text = as_text(row[column])
        if not text.strip():
            return BLANK_TIME
        found = _instant(text.strip())
        if isinstance(found, str):
            flags.append(flag(path, found, text))
            return {"local": text, "earliest": None, "latest": None}
        return {"local": text, "earliest": found, "latest": found}

    return Made(value, tuple(BLANK_TIME))


def _instant(text: str) -> int | str:
    try:
        aware = dt.datetime.fromisoformat(text)
    except ValueError:
        return "not_a_date"
    if aware.tzinfo is None:
        return "not_a_date"
    if not EARLIEST_YEAR <= aware.year <= LATEST_YEAR:
        return "out_of_range"
    return micros_of(aware.astimezone(dt.UTC).replace(tzinfo=None))


def date(options: DateOptions, site: Site) -> Made:
    """Compile the reading of a date into YYYY-MM-DD."""
    site.target_is("string")
    return Made(date_value(site.column("string"), options.format, site.target.path))


def date_value(column: str, form_text: str, path: str) -> Value:
    """Make a function that reads a column's date as YYYY-MM-DD; blank and a flag where it is none."""
    read = read_date(form_text, path)

    def value(row: Row, flags: Flags) -> str:
        text = row[column]
        return read(text, flags) if text else ""

    return value


def read_date(form_text: str, path: str) -> Callable[[str, Flags], str]:
    """Make a function that reads a date text as YYYY-MM-DD; blank and a flag where it is none."""
    form, known = form_of(form_text), dict[str, str]()

    def read(text: str, flags: Flags) -> str:
        found = known.get(text)
        if found is not None:
            return found
        stripped = text.strip()
        day = form.date(stripped) if stripped else "blank"
        if isinstance(day, str):
            if stripped:
                flags.append(flag(path, day, text))
            return ""
        result = day.isoformat()
        if text == stripped:
            if len(known) >= MOST_DAYS:
                known.clear()
            known[text] = result
        return result

    return read


TRANSFORMS = {
    "local_time": Transform("British local time in a fixed-width `format`.", LocalTimeOptions, local_time),
    "instant": Transform("An ISO 8601 instant with its offset.", InstantOptions, instant),
    "date": Transform("A date in a fixed-width `format`, as YYYY-MM-DD.", DateOptions, date),
}
