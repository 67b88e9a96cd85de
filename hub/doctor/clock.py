"""The clock of this machine beside another's."""

import datetime as dt

from hub.doctor.finding import Finding, failed, ok, warning

WARN_SECONDS = 2.0
FAIL_SECONDS = 60.0
"""A clock this far off makes a fresh force look stale, or hides a stale one."""


def compare(whose: str, their_time: dt.datetime, now: dt.datetime | None = None) -> Finding:
    """How far apart the clocks are; `their_time` was asked for just now."""
    apart = (their_time - (now or dt.datetime.now(dt.UTC))).total_seconds()
    which = "ahead of" if apart > 0 else "behind"
    said = f"the clock of {whose} is {abs(apart):.1f} s {which} this machine's"
    if abs(apart) < WARN_SECONDS:
        return ok("clock", said)
    judge = failed if abs(apart) >= FAIL_SECONDS else warning
    return judge(
        "clock", f"{said}; have both machines follow one time server (`timedatectl`, `chronyc tracking`)."
    )
