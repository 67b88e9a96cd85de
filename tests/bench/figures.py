"""A figure as measured, and the table of all."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured over `records` and `seconds`; `micros` is CPU time a record, by process.

    `percents` is what something costs against the same without it.
    """

    name: str
    records: int
    seconds: float
    micros: dict[str, float] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)
    percents: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.records / self.seconds

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"records_a_second": self.rate}

    def __str__(self) -> str:
        parts = [f"{self.name}: {self.records:,} in {self.seconds:.1f} s, {self.rate:,.0f}/s"]
        parts += [f"{who} {each:.1f} µs" for who, each in self.micros.items()]
        parts += [f"{which} {each:.0f} ms" for which, each in self.milliseconds.items()]
        parts += [f"{who} {each:.0f} MB" for who, each in self.megabytes.items()]
        parts += [f"{each:.1f} % of {what}" for what, each in self.percents.items()]
        return "; ".join(parts)


def table(figures: Sequence[Figure]) -> str:
    """One line a figure."""
    rows = [("figure", "records", "seconds", "a second", "CPU a record", "latency or cost")]
    for figure in figures:
        micros = " + ".join(f"{who} {each:.0f}" for who, each in figure.micros.items())
        whole = f" = {sum(figure.micros.values()):.0f} µs" if figure.micros else ""
        last = [f"{which} {each:.0f} ms" for which, each in figure.milliseconds.items()]
        last += [f"{each:.0f} % of {what}" for what, each in figure.percents.items()]
        rows.append(
            (
                figure.name,
                f"{figure.records:,}",
                f"{figure.seconds:.1f}",
                f"{figure.rate:,.0f}",
                micros + whole,
                ", ".join(last),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )
