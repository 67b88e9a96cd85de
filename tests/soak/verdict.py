"""Whether a series stays flat: a robust slope over the last two thirds, against a bound that is stated.

The first third is left out, in which caches fill. The slope is the median of the slopes between
all pairs of samples (Theil and Sen), which a burst of the machine's other work does not move.
"""

import itertools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.soak.sampling import Sample

LEAST_SECONDS = 600
"""Of a shorter run nothing is said but whether it went over a limit: its caches are still filling."""

MOST_MEGABYTES = 250
"""What a process may take at most, whatever there is to do."""

_MOST_POINTS = 300
"""Pairs grow with the square; of a longer series the medians of equal parts are taken."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold, and what was seen."""

    name: str
    passed: bool
    seen: str


@dataclass(frozen=True, slots=True)
class Bound:
    """What flat means: how much a series may rise from the first third to the end, and its limit.

    `share` allows as much of the series' own median besides.
    """

    rise: float
    share: float = 0.0
    most: float = math.inf


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rise` is what the slope comes to over the last two thirds; `allowed` is None where nothing is."""

    panel: str
    name: str
    median: float
    highest: float
    rise: float
    allowed: float | None
    most: float
    judged: bool

    @property
    def passed(self) -> bool:
        flat = self.allowed is None or not self.judged or self.rise <= self.allowed
        return flat and self.highest <= self.most

    def __str__(self) -> str:
        said = f"median {self.median:,.1f}, highest {self.highest:,.1f}"
        if self.allowed is None:
            return f"{self.panel}: {self.name}: {said}, rises {self.rise:+,.1f}; not judged"
        if not self.judged:
            return f"{said}; too short a run to tell whether it is flat"
        return f"{said}, rises {self.rise:+,.2f} of {self.allowed:,.2f} allowed"


def bounds(rate: float) -> dict[str, Bound]:
    """What is judged. All else is shown, and grows as it must: the files with what they hold."""
    return {
        "memory, MB": Bound(10, most=MOST_MEGABYTES),
        "memory of its own, MB": Bound(10),
        "file handles": Bound(2),
        "threads": Bound(1),
        "lag, records": Bound(rate),
        "source behind, s": Bound(2),
        "change to visible, ms": Bound(200, share=0.5),
        "API, ms": Bound(200, share=0.5),
    }


def judge(samples: Sequence[Sample], judged: Mapping[str, Bound]) -> list[Verdict]:
    """A verdict for each series, in the order in which they were first seen."""
    names = dict.fromkeys(name for sample in samples for name in sample.values)
    return [_judge(samples, panel, name, judged.get(panel)) for panel, name in names]


def _judge(samples: Sequence[Sample], panel: str, name: str, bound: Bound | None) -> Verdict:
    points = [(s.at, s.values[panel, name]) for s in samples if (panel, name) in s.values]
    last = samples[-1].at
    late = [point for point in points if point[0] >= last / 3] or points
    values = [value for _, value in late]
    median = statistics.median(values)
    rise = slope(late) * (late[-1][0] - late[0][0])
    allowed = None if bound is None else bound.rise + bound.share * abs(median)
    most = math.inf if bound is None else bound.most
    highest = max(value for _, value in points)
    return Verdict(panel, name, median, highest, rise, allowed, most, last >= LEAST_SECONDS)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How much a value rises a second, whatever single samples do."""
    few = list(_thinned(points))
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.combinations(few, 2) if b[0] > a[0]]
    return statistics.median(slopes) if slopes else 0.0


def _thinned(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    size = -(-len(points) // _MOST_POINTS)
    for start in range(0, len(points), max(1, size)):
        part = points[start : start + size]
        yield statistics.median(at for at, _ in part), statistics.median(value for _, value in part)
