"""All checks at once: one that does not answer in time holds up no other, and is a line by itself."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from hub.doctor.finding import Finding, failed
from hub.errors import HubError


@dataclass(frozen=True, slots=True)
class Check:
    """`look` gives its findings as it comes to them, and may raise a `HubError` instead of the last.

    `remedy` is what to do where it does not answer.
    """

    about: str
    look: Callable[[], Iterable[Finding]]
    remedy: str = "See what holds it up, and ask again with a longer --within."


@dataclass(slots=True)
class _Running:
    check: Check
    found: list[Finding] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        about = self.check.about
        try:
            self.found.extend(self.check.look())
        except HubError as error:
            self.found += [failed(about, line) for line in str(error).splitlines()]
        except Exception as error:  # noqa: BLE001 a defect of one check must not hide the others
            self.found.append(
                failed(about, f"a defect of the hub ({type(error).__name__}); please report it.")
            )
        self.done.set()


def examine(checks: Sequence[Check], within_seconds: float) -> list[Finding]:
    """What every check found, in their order; threads that never come back end with the process."""
    until = time.monotonic() + within_seconds
    running = [_Running(check) for check in checks]
    for each in running:
        threading.Thread(target=each.run, name=each.check.about, daemon=True).start()
    findings: list[Finding] = []
    for each in running:
        answered = each.done.wait(max(0.0, until - time.monotonic()))
        findings += list(each.found)
        if not answered:
            said = f"did not answer within {within_seconds:g} s. {each.check.remedy}"
            findings.append(failed(each.check.about, said))
    return findings
