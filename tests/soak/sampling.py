"""Samples of everything that must stay flat: taken every few seconds, kept as named series."""

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.bench.processes import cpu_seconds
from tests.soak.place import Place
from tests.soak.running import HubProcess, Reader, Running

PUBLISHED = ("events a second", "read: published")

_LABEL = re.compile(r'(\w+)="([^"]*)"')

Values = Mapping[tuple[str, str], float]
"""What was seen at one moment, by panel and name of the line."""


class Sample(NamedTuple):
    """`at` is in seconds since the first one."""

    at: float
    values: Values


class Sampler:
    """Looks at every process from outside, and asks each for its metrics."""

    def __init__(self, running: Running, place: Place) -> None:
        self._running = running
        self._place = place
        self.reader: Reader | None = None
        # No connection is kept: a server closes an idle one just when it is used again.
        self._client = httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))
        self._began = time.monotonic()
        self._before: dict[tuple[str, str], tuple[float, float]] = {}
        self.samples: list[Sample] = []

    def take(self) -> Sample:
        """Take one sample. Rates and latencies are of the time since the last one."""
        self._running.check()
        values: dict[tuple[str, str], float] = {}
        scraped: dict[str, float] = defaultdict(float)
        for process in self._running.processes:
            values |= look_at(process.name, process.pid)
            values["CPU, % of a core", process.name] = (
                self._rate("cpu", process.name, cpu_seconds(process.pid)) * 100
            )
            for name, value in self._scrape(process).items():
                scraped[name] += value
        for name, pid in self._place.servers.items():
            values["memory of servers, MB", name] = memory(pid)[0]
        values |= {("files, MB", name): size for name, size in self._place.sizes().items()}
        values |= self._flow(scraped)
        if self.reader is not None:
            values["API, ms", "three questions"] = self.reader.milliseconds
        sample = Sample(time.monotonic() - self._began, values)
        self.samples.append(sample)
        return sample

    def close(self) -> None:
        self._client.close()

    def _scrape(self, process: HubProcess) -> dict[str, float]:
        """The figures of the way that a process tells, added up over forces and domains."""
        page = self._client.get(f"{process.address}/metrics").raise_for_status().text
        found: dict[str, float] = defaultdict(float)
        now = time.time()
        for name, labels, value in _series(page):
            stage, outcome = labels.get("stage", ""), labels.get("outcome", "")
            match name:
                case "lag_records":
                    found[f"lag {stage}"] += value
                case "records_total":
                    found[f"{stage} {outcome}"] += value
                case "retries_total":
                    found["retries"] += value
                case "change_to_visible_seconds_sum":
                    found["visible seconds"] += value
                case "change_to_visible_seconds_count":
                    found["visible count"] += value
                case "complete_to_timestamp_seconds" if stage == "read" and value:
                    found[f"behind {labels['force']} {labels['domain']}"] = max(0.0, now - value)
        return found

    def _flow(self, scraped: Mapping[str, float]) -> dict[tuple[str, str], float]:
        """Rates, lags and latency from the cumulative figures of all processes."""
        outcomes = {"read": "published", "normalise": "normalised", "view": "applied"}
        values = {
            ("events a second", f"{stage}: {outcome}"): self._rate(
                "events", stage, scraped[f"{stage} {outcome}"]
            )
            for stage, outcome in outcomes.items()
        }
        values |= {("lag, records", stage): scraped[f"lag {stage}"] for stage in ("normalise", "view")}
        values |= {
            ("source behind, s", name.removeprefix("behind ")): value
            for name, value in scraped.items()
            if name.startswith("behind ")
        }
        values["retries", "all stages"] = scraped["retries"]
        seconds = self._rate("visible", "seconds", scraped["visible seconds"])
        count = self._rate("visible", "count", scraped["visible count"])
        if count:
            values["change to visible, ms", "mean"] = seconds / count * 1000
        return values

    def _rate(self, kind: str, name: str, total: float) -> float:
        """How much a total has grown a second since it was last told; 0 the first time."""
        now = time.monotonic()
        before, at = self._before.get((kind, name), (total, now))
        self._before[kind, name] = (total, now)
        return (total - before) / (now - at) if now > at else 0.0


def _series(page: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """The hub's own series on a page of metrics, at a tenth of what the library's parser takes."""
    for line in page.splitlines():
        if line.startswith("alliance_hub_") and "_bucket" not in line and "_created" not in line:
            series, _, value = line.removeprefix("alliance_hub_").rpartition(" ")
            name, _, labels = series.partition("{")
            yield name, dict(_LABEL.findall(labels)), float(value)


def look_at(name: str, pid: int) -> dict[tuple[str, str], float]:
    """Memory, file handles and threads of a process."""
    resident, private = memory(pid)
    return {
        ("memory, MB", name): resident,
        ("memory of its own, MB", name): private,
        ("file handles", name): len(list(Path(f"/proc/{pid}/fd").iterdir())),
        ("threads", name): len(list(Path(f"/proc/{pid}/task").iterdir())),
    }


def memory(pid: int) -> tuple[float, float]:
    """Megabytes resident, and of those what is this process's own."""
    kibibytes: dict[str, int] = defaultdict(int)
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, number, *_ = line.split()
        kibibytes[name.rstrip(":")] += int(number)
    own = kibibytes["Private_Clean"] + kibibytes["Private_Dirty"]
    return kibibytes["Rss"] * 1024 / 1e6, own * 1024 / 1e6
