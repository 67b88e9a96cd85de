"""What the office does by itself: answers taken in, what was left half-done finished, old letters let go."""

import threading
from collections import Counter

import structlog

from hub.dead_letters.book import Letter
from hub.dead_letters.cases import UNRESOLVED
from hub.dead_letters.erasures import Erasures, let_erased_go
from hub.dead_letters.office import Office
from hub.dead_letters.writer import Pen, Writer
from hub.errors import HubError
from hub.metrics import Metrics

log = structlog.get_logger()

STAGES = ("read", "normalise", "view")
EVERY_SECONDS = 5.0
_HALF_DONE_SECONDS = 60
_AT_ONCE = 500
_DAY_MICROS = 86_400 * 1_000_000


def tend(office: Office, *, retention_days: float) -> int:
    """Do all that is due; how many letters were let go."""
    office.wishes.take_in()
    office.settle(older_than_seconds=_HALF_DONE_SECONDS)
    before = int(office.writer.clock() * 1_000_000 - retention_days * _DAY_MICROS)
    return let_go(office.writer, before)


def let_go(writer: Writer, before: int) -> int:
    """Have the bus forget letters that were resolved before an instant; never one that waits."""
    with writer.lock:
        writer.book.refresh()
        due = _due(writer, before)
    for start in range(0, len(due), _AT_ONCE):
        ids = {letter.id for letter in due[start : start + _AT_ONCE]}
        writer.work(lambda pen, ids=ids: _let_go(pen, writer, before, ids))  # type: ignore[misc]
    return len(due)


def _due(writer: Writer, before: int) -> list[Letter]:
    return [
        letter
        for letter in writer.book
        if (resolved_at := writer.book.case(letter.id).resolved_at) is not None and resolved_at < before
    ]


def _let_go(pen: Pen, writer: Writer, before: int, ids: set[str]) -> None:
    due = [letter for letter in _due(writer, before) if letter.id in ids]
    if due:
        with pen.transaction():
            pen.let_go(due)


class Tending:
    """A thread that tends the office now and then, and tells the metrics how many letters wait."""

    def __init__(self, office: Office, metrics: Metrics, *, retention_days: float) -> None:
        self._office = office
        self._metrics = metrics
        self._retention_days = retention_days
        self._stop = threading.Event()
        self._erasures = Erasures(office.world.bus, self._stop)
        self._thread = threading.Thread(target=self._run, name="dead letters", daemon=True)
        self.tell()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)
        if not self._thread.is_alive():
            self._erasures.close()

    def tell(self) -> None:
        """Set every series, those of feeds without a letter to 0."""
        writer, counted = self._office.writer, Counter[tuple[str, str, str, str]]()
        with writer.lock:
            for letter in writer.book:
                case = writer.book.case(letter.id)
                counted[(*letter.feed, letter.about["stage"], str(case.state))] += 1
        feeds = {*self._office.world.feeds, *((force, domain) for force, domain, _, _ in counted)}
        for force, domain in feeds:
            for stage in STAGES:
                for state in UNRESOLVED:
                    gauge = self._metrics.dead_letters_open.labels(force, domain, stage, str(state))
                    gauge.set(counted[force, domain, stage, str(state)])

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                tend(self._office, retention_days=self._retention_days)
                let_erased_go(self._office, self._erasures)
                self.tell()
            except HubError as error:
                log.warning("dead letters not looked after", reason=str(error))
            self._stop.wait(EVERY_SECONDS)
