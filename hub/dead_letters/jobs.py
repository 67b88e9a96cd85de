"""Replays asked for over HTTP: each runs in a thread of its own, can be looked at, and be stopped."""

import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

import structlog

from hub.access import Principal
from hub.dead_letters.book import Letter
from hub.dead_letters.findings import Finding
from hub.dead_letters.office import Office
from hub.errors import ConflictError, HubError

log = structlog.get_logger()

_KEPT = 20
_ANSWER_SECONDS = 60.0


class Job:
    """One replay: what was found so far, and whether it goes on."""

    def __init__(self, by: str, total: int) -> None:
        self.id = uuid.uuid4().hex
        self.by = by
        self.total = total
        self.stop = threading.Event()
        self.state = "running"
        self.error = ""
        self._found: dict[str, Finding] = {}
        self._lock = threading.Lock()

    def tell(self, found: Sequence[Finding]) -> None:
        with self._lock:
            self._found.update((finding.letter, finding) for finding in found)

    @property
    def found(self) -> list[Finding]:
        with self._lock:
            return [*self._found.values()]

    def describe(self) -> dict[str, Any]:
        found = self.found
        return {
            "id": self.id,
            "by": self.by,
            "state": self.state,
            "error": self.error,
            "total": self.total,
            **numbers(found),
        }


def numbers(found: Sequence[Finding]) -> dict[str, Any]:
    """How many came to what, and what each letter came to, with why."""
    return {
        "verdicts": dict(Counter(str(finding.verdict) for finding in found)),
        "letters": [{"letter": each.letter, "verdict": str(each.verdict), "why": each.why} for each in found],
    }


class Jobs:
    """One replay at a time. The last ones can be looked at as long as the process runs."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, who: Principal, letters: Sequence[Letter], *, why: str, per_second: float) -> Job:
        """Begin to replay these letters; `ConflictError` while another replay runs here."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                raise ConflictError("A replay is under way; wait for its end, or stop it first.")
            job = Job(who.name, len(letters))
            self._jobs[job.id] = job
            for old in [*self._jobs][:-_KEPT]:
                del self._jobs[old]
            self._thread = threading.Thread(
                target=self._run, args=(job, who, letters, why, per_second), name="replay", daemon=True
            )
            self._thread.start()
        return job

    def get(self, job: str) -> Job | None:
        return self._jobs.get(job)

    def close(self) -> None:
        """Stop what runs, after the batch under way."""
        for job in [*self._jobs.values()]:
            job.stop.set()
        if self._thread is not None:
            self._thread.join(10)

    def _run(self, job: Job, who: Principal, letters: Sequence[Letter], why: str, per_second: float) -> None:
        try:
            self._office.replay(who, letters, why=why, per_second=per_second, stop=job.stop, tell=job.tell)
            job.tell(self._office.answers(job.found, _ANSWER_SECONDS, job.stop))
        except HubError as error:
            log.error("replay stopped", error=type(error).__name__, message=str(error))
            job.state, job.error = "failed", str(error)
        except Exception as error:  # noqa: BLE001 a defect must be seen, not end a thread in silence
            log.error("defect", job=job.id, error=type(error).__name__)
            job.state, job.error = "failed", f"a defect of the hub ({type(error).__name__}); please report it"
        else:
            job.state = "stopped" if job.stop.is_set() and len(job.found) < job.total else "done"
