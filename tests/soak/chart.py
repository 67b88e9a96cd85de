"""The samples as a chart: a panel for each kind of series, a line for each process, as plain SVG."""

import html
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.soak.sampling import Sample

_WIDTH, _HEIGHT, _GAP, _MARGIN, _COLUMNS = 560, 240, 50, 70, 2
_COLOURS = ("#1d70b8", "#d4351c", "#00703c", "#f47738", "#4c2c92", "#28a197", "#801650", "#6f777b")
_STYLE = "text{font:12px sans-serif;fill:#0b0c0c}.title{font-weight:bold;font-size:14px}.grid{stroke:#dde1e4}"

Line = list[tuple[float, float]]
Panels = dict[str, dict[str, Line]]


class _Frame(NamedTuple):
    """Where a panel is, and how its values become places in it."""

    left: float
    top: float
    seconds: float
    highest: float

    def x(self, at: float) -> float:
        return self.left + _WIDTH * at / self.seconds

    def y(self, value: float) -> float:
        return self.top + _HEIGHT * (1 - value / self.highest)


def draw(samples: Sequence[Sample], title: str, notes: dict[str, str]) -> str:
    """Draw all panels; `notes` are told beside the names of panels."""
    panels = _panels(samples)
    rows = -(-len(panels) // _COLUMNS)
    width = _MARGIN + _COLUMNS * (_WIDTH + _MARGIN)
    cell = _HEIGHT + 2 * _GAP + 20
    height = 60 + rows * cell
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">',
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text class="title" x="{_MARGIN}" y="30">{html.escape(title)}</text>',
    ]
    seconds = max(samples[-1].at, 1.0)
    for number, (name, lines) in enumerate(panels.items()):
        highest = _round_up(max(value for line in lines.values() for _, value in line))
        row, column = divmod(number, _COLUMNS)
        frame = _Frame(_MARGIN + column * (_WIDTH + _MARGIN), 80 + row * cell, seconds, highest)
        parts += _panel(frame, name, notes.get(name, ""), lines)
    return "\n".join([*parts, "</svg>", ""])


def _panels(samples: Sequence[Sample]) -> Panels:
    panels: Panels = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        for (panel, name), value in sample.values.items():
            panels[panel][name].append((sample.at, value))
    return panels


def _panel(frame: _Frame, name: str, note: str, lines: dict[str, Line]) -> Iterator[str]:
    heading = f"{name} ({note})" if note else name
    yield f'<text class="title" x="{frame.left}" y="{frame.top - 10}">{html.escape(heading)}</text>'
    for step in range(5):
        value = frame.highest * step / 4
        y = frame.y(value)
        yield f'<path class="grid" d="M{frame.left} {y:.1f}h{_WIDTH}"/>'
        yield f'<text x="{frame.left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,.4g}</text>'
    for step in range(5):
        at = frame.seconds * step / 4
        place = f'x="{frame.x(at):.1f}" y="{frame.top + _HEIGHT + 16}" text-anchor="middle"'
        yield f"<text {place}>{_clock(at)}</text>"
    for number, (label, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(f"{frame.x(at):.1f},{frame.y(value):.1f}" for at, value in line)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        x, y = frame.left + (number % 3) * 190, frame.top + _HEIGHT + 34 + number // 3 * 16
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{x + 15}" y="{y}">{html.escape(label)}</text>'


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten, for an axis with four steps."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= value)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
