"""What the doctor says of a clock that is off, and that no check keeps another from telling."""

import datetime as dt
import threading

import pytest

from hub.doctor.clock import compare
from hub.doctor.finding import ok
from hub.doctor.round import Check, examine
from hub.errors import ConfigurationError

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("seconds", "verdict", "words"),
    [
        (1.5, "ok", "1.5 s ahead of"),
        (-1.5, "ok", "1.5 s behind"),
        (-3, "warning", "have both machines follow one time server"),
        (90, "failed", "90.0 s ahead of"),
    ],
)
def test_a_clock_that_is_off_is_told_by_how_much(seconds, verdict, words):
    found = compare("the store's database", NOW + dt.timedelta(seconds=seconds), NOW)
    assert (found.about, found.verdict) == ("clock", verdict)
    assert words in found.said


def test_a_check_that_fails_hides_no_other_and_keeps_what_it_found_before():
    never = threading.Event()

    def refuses():
        yield ok("one", "the first thing")
        raise ConfigurationError("one thing is wrong\nand another")

    def breaks():
        raise KeyError("secret")

    def hangs():
        yield ok("three", "the first thing")
        never.wait()

    checks = [
        Check("one", refuses),
        Check("two", breaks),
        Check("three", hangs, "Mend it."),
        Check("four", lambda: [ok("four", "fine")]),
    ]
    found = [(f.about, str(f.verdict), f.said) for f in examine(checks, 3)]
    never.set()
    assert found == [
        ("one", "ok", "the first thing"),
        ("one", "failed", "one thing is wrong"),
        ("one", "failed", "and another"),
        ("two", "failed", "a defect of the hub (KeyError); please report it."),
        ("three", "ok", "the first thing"),
        ("three", "failed", "did not answer within 3 s. Mend it."),
        ("four", "ok", "fine"),
    ]
