"""A process kills itself at the mark that its environment names, and at no other."""

import signal
import subprocess
import sys

import pytest

from hub.config import load_settings
from hub.errors import ConfigurationError
from hub.kill_points import VARIABLE, mark_of

PROGRAM = """
from hub.kill_points import reached
for passing in range(4):
    reached(1, "connect.commit:before")
    print(passing, flush=True)
    reached(1, "connect.commit:after")
"""


def run(**environ):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.split()


def test_a_mark_does_nothing_where_no_variable_names_it():
    assert run() == (0, ["0", "1", "2", "3"])


@pytest.mark.parametrize(("place", "printed"), [("before", ["0"]), ("after", ["0", "1"])])
def test_a_process_dies_as_it_passes_the_named_mark_for_the_nth_time(place, printed):
    environ = {VARIABLE: f"connect.commit:{place}:2"}
    assert run(**environ) == (-signal.SIGKILL, printed)
    assert load_settings(environ=environ).instance == "1"  # though it is no setting, it is no error


@pytest.mark.parametrize("wanted", ["", "connect.commit", "connect.commit:before", "connect.commit:before:0"])
def test_a_variable_that_names_no_mark_stops_the_start_and_says_how_to_write_it(wanted):
    with pytest.raises(ConfigurationError, match=r"write PLACE:before:N or PLACE:after:N"):
        mark_of({VARIABLE: wanted})
