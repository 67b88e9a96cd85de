"""Shows a person how the hub is doing: a line a force, and the reconciliation as a table."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table

from hub.domains import DOMAINS
from hub.metrics import READ_OUTCOMES
from hub.view.query import Query


class Progress:
    """A line a force: what is visible and how fresh. Live on a terminal, else every `every_seconds`."""

    def __init__(
        self,
        query: Query,
        forces: Sequence[str],
        console: Console,
        *,
        every_seconds: float = 5,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._query = query
        self._forces = forces
        self._console = console
        self._every = every_seconds
        self._clock = clock
        self._said = clock()
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self) -> None:
        """Show the present state, where it is time to."""
        now = self._clock()
        if now - self._said < (1 if self._live else self._every):
            return
        self._said = now
        if self._live is not None:
            self._live.update("\n".join(self.lines()), refresh=True)
        else:
            for line in self.lines():
                self._console.print(line, highlight=False, soft_wrap=True)

    def lines(self) -> list[str]:
        """A line a force, as of now."""
        counts = self._query.counts()
        fresh = {(f.force, f.domain): f.complete_to for f in self._query.freshness()}
        return [
            f"{force:<17} "
            + "  ".join(
                f"{domain.path} {counts[name].get(force, {}).get('visible', 0):>7,}"
                f" {self._age(fresh.get((force, name))):<14}"
                for name, domain in DOMAINS.items()
            )
            for force in self._forces
        ]

    def _age(self, complete_to: int | None) -> str:
        return (
            "not known yet"
            if complete_to is None
            else f"{max(0.0, self._clock() - complete_to / 1e6):.1f} s old"
        )


def table(report: Mapping[str, Any]) -> Table:
    """The reconciliation as a table: a column a force, a section a domain, the way of a row downwards."""
    forces = list(report["forces"])
    result = Table("", *forces, "all", title="Reconciliation", box=SIMPLE_HEAD)
    for column in result.columns[1:]:
        column.justify = "right"
    for domain, totals in report["domains"].items():
        result.add_section()
        result.add_row(f"[bold]{DOMAINS[domain].title}[/]")
        for name in ("source_rows", *READ_OUTCOMES):
            _row(result, name, [report["sources"].get(f"{force}/{domain}", {}).get(name) for force in forces])
        for name in ("normalised", "dead_lettered", "applied", "superseded", "deleted"):
            label = "dead lettered later" if name == "dead_lettered" else name
            _row(result, label, [None] * len(forces), totals[name])
        for name in ("visible", "paged"):
            _row(result, name, [report["forces"][force].get(domain, {}).get(name) for force in forces])
    return result


def _row(table: Table, name: str, numbers: Sequence[int | None], total: int | None = None) -> None:
    """Add a row; the total of the numbers where none is given."""
    if total is None:
        total = sum(number for number in numbers if number is not None)
    cells = ("" if number is None else f"{number:,}" for number in (*numbers, total))
    table.add_row(name.replace("_", " "), *cells)
