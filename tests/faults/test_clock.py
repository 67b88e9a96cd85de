"""A clock that is set forward and back while the hub runs on it."""

import datetime as dt
from pathlib import Path

import pytest

from tests.needs import missing
from tests.waiting import wait_until

pytestmark = pytest.mark.long

LIBRARIES = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), Path("/usr/local/lib/faketime.so")]


class Clock:
    """The time of day of one process; what it measures durations with is left alone."""

    def __init__(self, file):
        library = next((str(each) for each in LIBRARIES if each.exists()), None)
        if library is None:
            missing("install libfaketime (Debian: faketime)")
        self._file = file
        self.environ = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": str(Path(__file__).with_name("asleep")),
        }
        self.set(0)

    def set(self, offset):
        """Run ahead of the time that it is by so many seconds, or behind it."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset:+d}\n")
        new.rename(self._file)


def test_a_clock_set_forward_and_back_loses_nothing_and_hides_nothing(world, tmp_path):
    clock = Clock(tmp_path / "clock")
    made = world()
    hub = made.start("up", environ=clock.environ)

    def told_time():
        return hub.get("/freshness").json()["as_of"]

    def off_by():
        """How far the hub's clock is from ours, in hours."""
        apart = dt.datetime.fromisoformat(told_time()) - dt.datetime.now(dt.UTC)
        return round(apart.total_seconds() / 3600)

    def applied():
        return hub.metric("alliance_hub_records_total", stage="view", outcome="applied")

    def goes_on(*stale):
        """New changes become visible, every stage moves, and no other feeds are stale than these."""
        before = applied()
        wait_until(lambda: applied() > before + 20, lambda: f"it goes on: {hub.readiness()} {hub.text}")
        wait_until(
            lambda: hub.stale() == set(stale), lambda: f"stale is {stale}: {hub.get('/freshness').json()}"
        )
        hub.wait_until_ready()

    with made.in_use():
        goes_on()
        for hours in (3, -3, 0):
            clock.set(hours * 3600)
            wait_until(lambda hours=hours: off_by() == hours, lambda: f"the clock is set, not {off_by()}")
            # This source states its own time, which is then far from the hub's.
            goes_on(*(["nottinghamshire/incident"] if hours else []))
    made.catch_up()
    assert hub.stop() == 0, hub.text
    made.assert_true()
