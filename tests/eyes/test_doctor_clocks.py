"""What the doctor says of clocks that it cannot compare."""

import socket
from typing import Any

from hub.doctor.bus import bus_checks
from hub.doctor.finding import Verdict
from hub.doctor.round import examine


class Answering:
    """A bus that answers, and has no topics."""

    def __init__(self, url):
        self.url = url

    def describe_topics(self):
        return {}


def clocks(url):
    bus: Any = Answering(url)
    found = examine(bus_checks(url, lambda: bus, [], None, 60), 60)
    assert [each.verdict for each in found if each.about == "bus"] == [Verdict.OK]
    return [each.said for each in found if each.about == "clock"]


def test_that_kafkas_clock_is_not_compared_is_said(tmp_path):
    (tmp_path / "bus.db").touch()
    assert clocks(f"embedded://{tmp_path}/bus.db") == [], "it is on this machine"
    with socket.create_server(("127.0.0.1", 0)) as broker:
        (said,) = clocks(f"kafka://127.0.0.1:1,127.0.0.1:{broker.getsockname()[1]}")
    assert "clocks are not compared" in said
