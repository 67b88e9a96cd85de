"""One soak: start everything, keep it busy, sample, let it come to rest, judge, report."""

import contextlib
import itertools
import json
import operator
import platform
import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from connectors.standins.busy import give_past
from connectors.standins.legacy import LegacySystems
from hub.cli.parts import Parts
from hub.config import load_settings
from hub.errors import HubError
from tests.soak.balance import catch_up, reconcile, unbalanced, untrue
from tests.soak.chart import draw
from tests.soak.load import Steady
from tests.soak.place import Place, place
from tests.soak.running import Reader, Running, commands, write_settings
from tests.soak.sampling import PUBLISHED, Sample, Sampler
from tests.soak.verdict import Check, Verdict, bounds, judge

_EXTRACT_SECONDS = 10.0
_TELL_SECONDS = 60
_SWITCH_SECONDS = 0.0005
"""The load gives up the interpreter's lock with each row, and must not wait long to have it back."""

_ENOUGH = 0.95
"""The share of the rate asked for that must have come: what is under way at the end is not counted."""

_NOTES = {
    "files, MB": "grow with what they hold: every version in the store, and on the bus until compaction",
    "memory, MB": "resident, shared libraries included; limit 250",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for."""

    seconds: float
    rate: float
    bus: str
    store: str
    every: float

    def __str__(self) -> str:
        return (
            f"{self.seconds / 60:g} minutes at {self.rate:g} events a second on {self.bus} and {self.store}"
        )


def soak(plan: Plan, folder: Path, out: Path) -> bool:
    """Run it, write soak.json and soak.svg into `out`, print the verdicts; whether all passed."""
    say(f"soak: {plan}")
    sys.setswitchinterval(_SWITCH_SECONDS)
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(place(plan.bus, plan.store, folder))
        parts, legacy = _systems(where, folder, stack)
        options = ["--config", str(folder / "hub.toml"), "--state", str(folder), *where.options]
        running = stack.enter_context(Running(commands(legacy), options, folder))
        catch_up(parts, running)
        sampler = Sampler(running, where)
        stack.callback(sampler.close)
        try:
            _work(plan, legacy, sampler, running.processes[-1].address)
            checks = _at_rest(parts, legacy, running, folder, options)
        except (AssertionError, HubError, httpx.HTTPError) as error:  # what was seen until then is told
            checks = [Check("the soak came to its end", False, f"{type(error).__name__}: {error}")]
        running.stop()
        checks.append(
            Check("every process stopped as told", not any(running.codes.values()), str(running.codes))
        )
    verdicts = judge(sampler.samples, bounds(plan.rate))
    checks.append(_pace(plan, sampler.samples))
    return _report(plan, sampler.samples, verdicts, checks, out)


def _systems(where: Place, folder: Path, stack: contextlib.ExitStack) -> tuple[Parts, LegacySystems]:
    settings = load_settings(state=folder, bus=where.bus, store=where.store, environ={})
    parts = Parts(settings)
    stack.callback(parts.close)
    legacy = LegacySystems(
        folder / "legacy", parts.forces, drop_seconds=_EXTRACT_SECONDS / 2, extract_seconds=_EXTRACT_SECONDS
    )
    stack.callback(legacy.close)
    for file in (folder / "legacy").rglob("*.db"):
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.execute("pragma journal_mode=wal")  # a real database's writers wait for no reader
    give_past(legacy)
    write_settings(folder / "hub.toml", legacy)
    parts.topics(create=True)
    return parts, legacy


def _work(plan: Plan, legacy: LegacySystems, sampler: Sampler, address: str) -> None:
    """Keep the systems busy for as long as planned, and sample meanwhile."""
    with contextlib.ExitStack() as stack:
        busy, sampler.reader = Steady(legacy, rate=plan.rate), Reader(address)
        for each in (busy, sampler.reader):
            each.start()
            stack.callback(each.stop)
        began = told = time.monotonic()
        while (now := time.monotonic()) < began + plan.seconds:
            sample = sampler.take()
            if now >= told + _TELL_SECONDS:
                told = now
                say(_progress(sample))
            time.sleep(max(0.0, min(now + plan.every, began + plan.seconds) - time.monotonic()))
        sampler.take()
    say(f"{busy.changes:,} changes made in the legacy systems")


def _at_rest(
    parts: Parts, legacy: LegacySystems, running: Running, folder: Path, options: list[str]
) -> list[Check]:
    """Once nothing new comes, see that all of it is there and true."""
    say("the legacy systems are still; waiting until all is visible")
    took = catch_up(parts, running)
    wrong = untrue(parts, folder / "legacy")
    failing = unbalanced(parts, legacy, running.processes[-1].address)
    code, told = reconcile(options)
    return [
        Check("the systems and the view are the same", code == 0, told),
        Check("all became visible", True, f"{took:.1f} s after the last change"),
        Check("the view says what is true", not wrong, "; ".join(wrong) or "every field of every record"),
        Check("the counts balance", not failing, "; ".join(failing) or "every equation"),
    ]


def _pace(plan: Plan, samples: Sequence[Sample]) -> Check:
    """Whether the work was as much as was asked for, over the whole time."""
    rates = [sample.values[PUBLISHED] for sample in samples[1:]]
    times = [after.at - before.at for before, after in itertools.pairwise(samples)]
    mean = sum(map(operator.mul, rates, times)) / sum(times)
    return Check(
        "the work was as asked for", mean >= _ENOUGH * plan.rate, f"{mean:,.0f} events a second published"
    )


def _report(
    plan: Plan, samples: Sequence[Sample], verdicts: Sequence[Verdict], checks: Sequence[Check], out: Path
) -> bool:
    results = [
        *(Check(f"{v.panel}: {v.name}", v.passed, str(v)) for v in verdicts if v.allowed is not None),
        *checks,
    ]
    told = {
        "at": time.strftime("%FT%TZ", time.gmtime()),
        "machine": platform.platform(),
        "plan": asdict(plan),
        "results": [asdict(each) for each in results],
        "shown": [str(v) for v in verdicts if v.allowed is None],
        "series": _series(samples),
    }
    (out / "soak.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    (out / "soak.svg").write_text(draw(samples, f"Soak of {told['at']}: {plan}", _NOTES), "utf-8")
    for line in told["shown"]:
        say(f"shown   {line}")
    say(f"{out / 'soak.json'}, {out / 'soak.svg'}")
    return tell(results)


def tell(results: Sequence[Check]) -> bool:
    """Print each result, and last how many there were; whether all passed."""
    for each in results:
        say(f"{'passed' if each.passed else 'FAILED'}  {each.name}: {each.seen}")
    failed = sum(not each.passed for each in results)
    say(f"{len(results) - failed} passed, {failed} failed")
    return failed == 0


def _series(samples: Sequence[Sample]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    series: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for sample in samples:
        for (panel, name), value in sample.values.items():
            series.setdefault(panel, {}).setdefault(name, []).append((round(sample.at, 1), round(value, 2)))
    return series


def _progress(sample: Sample) -> str:
    values = sample.values
    memory = {name: round(v) for (panel, name), v in values.items() if panel == "memory, MB"}
    pace = {name.split(":")[0]: round(v) for (panel, name), v in values.items() if panel == "events a second"}
    lag = {name: round(v) for (panel, name), v in values.items() if panel == "lag, records"}
    return f"{sample.at:6.0f} s  events a second {pace}  lag {lag}  MB {memory}"


def say(line: str) -> None:
    """A soak is watched."""
    print(line, flush=True)  # noqa: T201
