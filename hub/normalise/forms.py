"""Forms of dates and times as legacy systems write them, and the instants a British wall clock can mean.

An hour a year is repeated (two instants), one is left out (none). Reading is by position in a
fixed-width form: a date's midnight is worked out once and remembered, the time of day is looked up.
"""

import datetime as dt
import re
from functools import cache
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
EARLIEST_YEAR, LATEST_YEAR = 1900, 2199
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
MOST_DAYS = 4096
"""Dates remembered at once."""

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001  # UTC, like the instants counted from it
_MICRO = dt.timedelta(microseconds=1)
_PATTERNS = {
    "%Y": r"(?P<Y>[0-9]{4})",
    "%m": r"(?P<m>[0-9]{2})",
    "%b": r"(?P<b>[A-Za-z]{3})",
    "%d": r"(?P<d>[0-9]{2})",
    "%H": r"(?P<H>[0-9]{2})",
    "%M": r"(?P<M>[0-9]{2})",
    "%S": r"(?P<S>[0-9]{2})",
}
_WIDTHS = {"%Y": 4, "%b": 3}
_RULE = "a form states %Y, %m or %b, and %d once each, then, if it has a time of day, %H, %M and perhaps %S"


class Days(dict[str, int | None]):
    """The UTC midnight, in microseconds, of each date text whose day has one offset all through.

    None for a day on which the clocks change and for a text that is no date.
    """

    def __init__(self, form: "Form") -> None:
        super().__init__()
        self._form = form

    def __missing__(self, text: str) -> int | None:
        if len(self) >= MOST_DAYS:
            self.clear()
        date = self._form.date(text)
        result = self[text] = None if isinstance(date, str) else _plain_midnight(date)
        return result


class Form:
    """A fixed-width form of a date, or of a date with a time of day after it.

    Made of %Y, %m or %b, %d, then %H, %M and perhaps %S, with any text between.
    """

    def __init__(self, form: str) -> None:
        self.text = form
        directives = re.findall(r"%.", form)
        unknown = [each for each in directives if each not in _PATTERNS]
        if unknown:
            raise ValueError(f"'{unknown[0]}' is not known; use {', '.join(_PATTERNS)}")
        months = {"%m", "%b"} & set(directives)
        date, clock = form, ""
        if "%H" in directives:
            # The separator between date and time belongs to the time.
            start = max(form.rfind(d) for d in ("%Y", "%m", "%b", "%d")) + 2
            date, clock = form[:start], form[start:]
        needed = ({"%Y", "%d", *months}, {"%H", "%M"} if clock else set())
        got = re.findall(r"%.", date), re.findall(r"%.", clock)
        if len(months) != 1 or set(got[0]) != needed[0] or set(got[1]) - {"%S"} != needed[1]:
            raise ValueError(_RULE)
        if len(got[0]) + len(got[1]) != len(directives) or len(set(directives)) != len(directives):
            raise ValueError(_RULE)
        self.has_clock = bool(clock)
        self.width = _width(date)
        self._date, self._clock = _pattern(date), _pattern(clock)
        head, seconds, tail = clock.partition("%S")
        if clock and not ("%H" in head and "%M" in head):
            raise ValueError(_RULE)
        self.head_width = self.width + _width(head)
        self.heads = {
            head.replace("%H", f"{m // 60:02}").replace("%M", f"{m % 60:02}"): m * 60_000_000
            for m in range(1440)
        }
        self.tails = {f"{s:02}{tail}": s * 1_000_000 for s in range(60)} if seconds else {"": 0}
        self.days = Days(self)

    def date(self, text: str) -> dt.date | str:
        """Read the date, or name the problem."""
        found = self._date.fullmatch(text)
        if found is None:
            return "not_a_date"
        parts = found.groupdict()
        if "b" in parts:
            name = parts["b"].upper()
            if name not in MONTHS:
                return "no_such_date"
            parts["m"] = str(MONTHS.index(name) + 1)
        try:
            date = dt.date(int(parts["Y"]), int(parts["m"]), int(parts["d"]))
        except ValueError:
            return "no_such_date"
        return date if EARLIEST_YEAR <= date.year <= LATEST_YEAR else "out_of_range"

    def read(self, text: str) -> dt.datetime | str:
        """Read the local date and time, or name the problem."""
        date = self.date(text[: self.width])
        if isinstance(date, str):
            return date
        found = self._clock.fullmatch(text[self.width :])
        if found is None:
            return "not_a_date"
        hour, minute, second = (int(found.groupdict().get(name) or 0) for name in "HMS")
        try:
            return dt.datetime.combine(date, dt.time(hour, minute, second))
        except ValueError:
            return "no_such_time"


@cache
def form_of(text: str) -> Form:
    """Give the form that this text states, one for all rules that read by it, so that they share its days.

    `ValueError` says what is wrong with the text.
    """
    return Form(text)


def instants(local: dt.datetime) -> tuple[int, int] | None:
    """The first and last instant a British local time can mean, in microseconds UTC; None where none."""
    found = []
    for fold in (0, 1):
        aware = local.replace(tzinfo=LONDON, fold=fold)
        utc = aware.astimezone(dt.UTC)
        if utc.astimezone(LONDON).replace(tzinfo=None, fold=0) == local:
            found.append(micros_of(utc.replace(tzinfo=None)))
    return (min(found), max(found)) if found else None


def micros_of(utc: dt.datetime) -> int:
    return (utc - _EPOCH) // _MICRO


def _plain_midnight(date: dt.date) -> int | None:
    ends = (dt.datetime.combine(date, dt.time()), dt.datetime.combine(date, dt.time(23, 59, 59)))
    offsets = {end.replace(tzinfo=LONDON, fold=fold).utcoffset() for end in ends for fold in (0, 1)}
    if len(offsets) > 1:
        return None
    offset = offsets.pop()
    assert offset is not None
    return micros_of(ends[0] - offset)


def _width(form: str) -> int:
    return sum(_WIDTHS.get(part, 2) if part.startswith("%") else len(part) for part in _parts(form))


def _pattern(form: str) -> re.Pattern[str]:
    return re.compile("".join(_PATTERNS.get(part) or re.escape(part) for part in _parts(form)))


def _parts(form: str) -> list[str]:
    return re.findall(r"%.|[^%]+", form)
