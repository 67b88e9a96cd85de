# ruff: noqa: DTZ001  # wall-clock times without a zone are what this is about
"""British local time is read as the instants it can mean, the text kept beside them."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.normalise.flags import Flags
from hub.normalise.forms import Form, instants
from tests.mapped import mapped

LONDON = ZoneInfo("Europe/London")
MINUTE = 60_000_000
HOUR = 60 * MINUTE


def micros(*parts: int) -> int:
    return int(dt.datetime(*parts).replace(tzinfo=dt.UTC).timestamp()) * 1_000_000  # type: ignore[arg-type]


def created(text: str) -> tuple[dict[str, Any], Flags]:
    record = mapped("leicestershire", CREATED=text)
    return record["created"], record["flags"]


def every_meaning(local: dt.datetime) -> set[int]:
    """Found by looking: the instants around at which the British clock shows `local`."""
    around = (local.replace(tzinfo=dt.UTC) - dt.timedelta(minutes=minutes) for minutes in (-60, 0, 60, 120))
    return {
        int(instant.timestamp()) * 1_000_000
        for instant in around
        if instant.astimezone(LONDON).replace(tzinfo=None) == local
    }


@settings(deadline=None)
@given(
    st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2037, 12, 31)).map(lambda t: t.replace(microsecond=0))
)
@example(dt.datetime(2016, 10, 30, 1, 0))
@example(dt.datetime(2016, 10, 30, 1, 59, 59))
@example(dt.datetime(2016, 10, 30, 2, 0))
@example(dt.datetime(2016, 3, 27, 1, 0))
@example(dt.datetime(2016, 3, 27, 0, 59, 59))
@example(dt.datetime(1971, 10, 31, 2, 30))
def test_a_local_time_means_every_instant_at_which_british_clocks_show_it(local):
    meanings = every_meaning(local)
    time, _ = created(f"{local:%Y-%m-%d %H:%M:%S}")
    found = set() if time["earliest"] is None else {time["earliest"], time["latest"]}
    assert found == meanings
    assert instants(local) == ((min(meanings), max(meanings)) if meanings else None)


def test_the_hour_repeated_in_october_gives_the_earliest_and_the_latest_instant():
    time, flags = created("2016-10-30 01:30:00")
    assert time == {
        "local": "2016-10-30 01:30:00",
        "earliest": micros(2016, 10, 30, 0, 30),
        "latest": micros(2016, 10, 30, 1, 30),
    }
    assert [(each["field"], each["problem"]) for each in flags] == [("created", "repeated_hour")]


def test_the_hour_left_out_in_march_gives_no_instant_and_says_so():
    time, flags = created("2016-03-27 01:30:00")
    assert time == {"local": "2016-03-27 01:30:00", "earliest": None, "latest": None}
    assert flags == [{"field": "created", "problem": "missing_hour", "local": "2016-03-27 01:30:00"}]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2016-02-30 10:00:00", "no_such_date"),
        ("2015-02-29 10:00:00", "no_such_date"),
        ("2016-13-01 10:00:00", "no_such_date"),
        ("2016-11-01 24:00:00", "no_such_time"),
        ("2016-11-01 10:60:00", "no_such_time"),
        ("01/11/2016 10:00", "not_a_date"),
        ("2016-11-01", "not_a_date"),
        ("2016-11-01 10:00:00 and more", "not_a_date"),
        ("yesterday", "not_a_date"),
        ("٢٠١٦-11-01 10:00:00", "not_a_date"),
        ("0016-11-01 10:00:00", "out_of_range"),
        ("9999-12-31 23:59:59", "out_of_range"),
    ],
)
def test_a_text_that_is_no_time_is_kept_beside_a_blank_and_flagged(text, problem):
    time, flags = created(text)
    assert time == {"local": text, "earliest": None, "latest": None}
    assert flags == [{"field": "created", "problem": problem, "local": text}]


@pytest.mark.parametrize("text", [None, "", "   "])
def test_no_time_is_blank_without_a_flag(text):
    assert created(text) == ({"local": "", "earliest": None, "latest": None}, [])


def test_spaces_around_a_time_do_no_harm_and_stay_in_the_text():
    time, flags = created(" 2016-06-01 10:00:00 ")
    assert (time["local"], time["earliest"], flags) == (" 2016-06-01 10:00:00 ", micros(2016, 6, 1, 9), [])


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%Y-%m-%d %H:%M:%S", "2016-06-01 14:05:09"),
        ("%Y-%m-%dT%H:%M:%S", "2016-06-01T14:05:09"),
        ("%d/%m/%Y %H:%M:%S", "01/06/2016 14:05:09"),
        ("%d-%b-%Y %H:%M:%S", "01-JUN-2016 14:05:09"),
        ("%d-%b-%Y %H:%M:%S", "01-Jun-2016 14:05:09"),
        ("%d %b %Y, %Hh%M.%Ss", "01 Jun 2016, 14h05.09s"),
        ("%Y%m%d%H%M%S", "20160601140509"),
    ],
)
def test_every_form_of_the_forces_gives_the_same_time(form, text):
    assert Form(form).read(text) == dt.datetime(2016, 6, 1, 14, 5, 9)


@pytest.mark.parametrize(
    ("form", "part"),
    [
        ("%d/%m/%y", "'%y' is not known"),
        ("%H:%M %d/%m/%Y", "once each, then"),
        ("%d/%m", "once each, then"),
        ("%Y-%m-%d %H", "once each, then"),
        ("%Y-%m-%d %m", "once each, then"),
        ("%Y-%m-%d %S:%H:%M", "once each, then"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused_with_what_is_wrong(form, part):
    with pytest.raises(ValueError, match=part):
        Form(form)


def test_remembering_days_does_not_grow_without_end():
    form = Form("%Y-%m-%d %H:%M")
    for number in range(10_000):
        assert form.days[f"no day {number}"] is None
    assert len(form.days) <= 4096
    assert form.days["2016-12-01"] == micros(2016, 12, 1)
