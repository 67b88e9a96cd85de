"""One line of the doctor."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a line is, better ones first."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


EXIT_CODES = {Verdict.OK: 0, Verdict.WARNING: 1, Verdict.FAILED: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at and how it is. What is not ok says what to do about it."""

    about: str
    verdict: Verdict
    said: str


def ok(about: str, said: str) -> Finding:
    return Finding(about, Verdict.OK, said)


def warning(about: str, said: str) -> Finding:
    return Finding(about, Verdict.WARNING, said)


def failed(about: str, said: str) -> Finding:
    return Finding(about, Verdict.FAILED, said)


def worst(findings: Iterable[Finding]) -> Verdict:
    return max((finding.verdict for finding in findings), key=list(Verdict).index, default=Verdict.OK)
