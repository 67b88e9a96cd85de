"""What the runs of one commit found, added up in `state/chaos/<commit>.json`."""

import hashlib
import json
import statistics
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.faults import Told
from tests.chaos.places import places, steps_on
from tests.chaos.verdict import Verdict

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "state" / "chaos"
QUESTIONS = ("ran", "lost", "wrong", "out_of_order", "balanced")


@dataclass(slots=True)
class Outcome:
    """One round: on which bus and store, what was done to it, and how it was found afterwards."""

    bus: str
    store: str
    told: Told
    verdict: Verdict

    def problems(self) -> dict[str, list[str]]:
        """By question, what is not as it must be."""
        verdict = self.verdict
        found = (self.told.problems + verdict.stuck, verdict.lost, verdict.wrong, verdict.out_of_order)
        return dict(zip(QUESTIONS, (*found, verdict.unbalanced), strict=True))

    @property
    def failed(self) -> int:
        return sum(map(bool, self.problems().values()))


class Results:
    """The sums of one commit, kept in one file."""

    def __init__(self, folder: Path = FOLDER, commit: str | None = None) -> None:
        self.commit = commit or commit_now()
        self.file = folder / f"{self.commit}.json"
        self.buses: dict[str, dict[str, Any]] = {}
        if self.file.exists():
            self.buses = json.loads(self.file.read_text("utf-8"))

    def add(self, outcome: Outcome) -> None:
        """Add a round, and keep the sums at once."""
        told, verdict = outcome.told, outcome.verdict
        of_bus = self.buses.setdefault(outcome.bus, {})
        for name, amount in {
            "rounds": 1,
            "faults": told.count,
            "records": verdict.records_in,
            "lost": len(verdict.lost),
            "wrong": len(verdict.wrong),
            "out_of_order": len(verdict.out_of_order),
            "absorbed": verdict.absorbed,
            "passed": len(QUESTIONS) - outcome.failed,
            "failed": outcome.failed,
        }.items():
            of_bus[name] = of_bus.get(name, 0) + amount
        of_bus["longest"] = max([of_bus.get("longest", 0.0), *told.recoveries])
        of_bus["recoveries"] = [*of_bus.get("recoveries", ()), *(round(each, 2) for each in told.recoveries)]
        of_bus["places"] = Counter(of_bus.get("places", {})) + told.places
        of_bus["stores"] = Counter(of_bus.get("stores", {})) + Counter({outcome.store: told.count})
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.buses, indent=1) + "\n", "utf-8")

    def lines(self) -> list[str]:
        """What has been found on each bus by all runs of this commit."""
        heads = ("faults", "records in", "lost", "wrong", "out of order", "duplicates absorbed")
        names = ("faults", "records", "lost", "wrong", "out_of_order", "absorbed")
        found = []
        for bus, sums in sorted(self.buses.items()):
            stores = ", ".join(f"{n} on {store}" for store, n in sorted(sums["stores"].items()))
            said = ", ".join(f"{head} {sums[name]}" for head, name in zip(heads, names, strict=True))
            half = statistics.median(sums["recoveries"] or [0.0])
            recovered = f"longest recovery {sums['longest']:.1f} s (median {half:.1f} s)"
            marks = [place for place in sums["places"] if ":" in place]
            at = f"{len(marks)} of {len(places(steps_on(bus)))} marks"
            found.append(f"{bus}: {said}, {recovered}; killed at {at}; {stores}")
        return found


def commit_now() -> str:
    """The commit; a tree that differs from it is one of its own."""
    head = _git("rev-parse", "--short=12", "HEAD").strip()
    if not head:
        return "no-commit"
    changed = _git("diff", "HEAD", "--", "hub", "connectors", "schemas")
    return f"{head}-dirty-{hashlib.sha256(changed.encode()).hexdigest()[:8]}" if changed else head


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""
