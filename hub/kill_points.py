"""Marks where a kill could break an invariant, and the one way to die at such a mark.

`HUB_KILL_POINT=PLACE:N` has a process kill itself (SIGKILL) as it passes PLACE for the Nth time, as
`python -m tests.chaos` has it do to prove the guarantees. Without that variable a mark does nothing.
A place is named `<part>.<step>:before` or `<part>.<step>:after`; marks stand at batches and
transactions, never at each record.
"""

import os
import signal
from collections.abc import Callable, Mapping

from hub.errors import ConfigurationError

VARIABLE = "HUB_KILL_POINT"

Mark = Callable[[int, str], None]


def mark_of(environ: Mapping[str, str]) -> Mark:
    """What a mark does in this environment: nothing, or kill the process at the one that is named.

    `ConfigurationError` where the variable does not say which and when.
    """
    wanted = environ.get(VARIABLE)
    return _pass if wanted is None else _killer(wanted)


def _pass(invariant: int, place: str) -> None:
    """Go on."""


def _killer(wanted: str) -> Mark:
    place, _, count = wanted.rpartition(":")
    if not place.endswith((":before", ":after")) or not count.isdecimal() or int(count) < 1:
        raise ConfigurationError(
            f"{VARIABLE}: '{wanted}' names no mark; write PLACE:before:N or PLACE:after:N, such as "
            "connect.commit:before:3, or unset it."
        )
    left = int(count)

    def reached(invariant: int, passed: str) -> None:
        nonlocal left
        del invariant
        if passed == place:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached


reached: Mark = mark_of(os.environ)
"""`reached(invariant, place)`: a step that this invariant (ARCHITECTURE.md) rests on begins or has ended."""
