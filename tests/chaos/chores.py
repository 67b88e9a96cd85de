"""What makes the seldom marks be passed: bad records, removals, records that come back, rows replayed."""

import datetime as dt
import itertools
import json
import random
import threading
import time
from contextlib import suppress
from typing import cast

from connectors.standins.csv_incidents import CsvIncidents
from connectors.standins.legacy import LegacySystems
from connectors.standins.people import person
from connectors.standins.truth import TruthIncident
from hub.bus.contract import Bus
from hub.control import REPLAY, Control, Wish
from hub.dead_letters.rows import answer_of, wish_value
from hub.domains import DOMAINS
from hub.errors import TransientError
from hub.schema.codec import Codec
from tests.legacy import builtin_forces

BAD_ROWS = "northamptonshire"
POISON = b"poison-"
POISONED = "leicestershire.incident.v1"
ALLIANCE = DOMAINS["incident"].topic
_EVERY_SECONDS = 0.3
_ANSWER_SECONDS = 300
_REPLAYED_ON = "02/01/2026"
"""A day of which the legacy system has nothing, so that the numbers replayed are nobody else's."""

_SPARED = 20_000
"""Added to the numbers of those who come and go, so that they are nobody else's."""


def tell_drops_apart(legacy: LegacySystems) -> None:
    """Have every drop hold a line of its own: one with the content of an earlier one counts as sent twice."""
    system, numbers = legacy.incidents[BAD_ROWS], itertools.count(1)
    assert isinstance(system, CsvIncidents)
    at = legacy.clock().replace(microsecond=0)
    beacon = legacy.raise_incident(BAD_ROWS, at, dt.date(2026, 1, 1))
    hand_over = system.finish

    def finish() -> None:
        with legacy.lock:
            if system._open is not None:
                legacy.change(beacon, deleted=False, summary=f"beacon {next(numbers)}")
            hand_over()

    system.finish = finish  # type: ignore[method-assign]


class Chores:
    """Does one chore after the other until stopped. `bad_rows` counts lines that no connector can use."""

    def __init__(self, legacy: LegacySystems, bus: Bus, codec: Codec, rng: random.Random) -> None:
        self.bad_rows = 0
        self.error: Exception | None = None
        self._legacy, self._rng = legacy, rng
        self._encode = codec.encoder(POISONED)
        self._producer = bus.producer("chaos.poison")
        self._control = Control(bus, codec)
        self._feed = builtin_forces()[BAD_ROWS].feeds["incident"]
        self._staff: dict[str, str] = {}
        self._taken_back: list[str] = []
        self._number = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chores", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return once every replay is answered. Raises what had stopped it before."""
        self._stop.set()
        self._thread.join()
        self._producer.close()
        if self.error is not None:
            raise self.error
        deadline = time.monotonic() + _ANSWER_SECONDS
        while unanswered := [wish.name for wish in self._replays() if answer_of(wish) is None]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not answered within {_ANSWER_SECONDS} s: {unanswered}")
            time.sleep(_EVERY_SECONDS)

    def _run(self) -> None:
        try:
            while True:
                for chore in (
                    self._bad_row,
                    self._bad_event,
                    self._bad_record,
                    self._staff_turn,
                    self._back,
                    self._replay,
                ):
                    if self._stop.wait(_EVERY_SECONDS):
                        return
                    chore()
        except Exception as error:  # noqa: BLE001 raised again by stop(), in the thread that asked for the work
            self.error = error

    def _bad_row(self) -> None:
        """A line without a key, which the connector sets aside."""
        legacy, at = self._legacy, self._legacy.clock()
        nameless = TruthIncident(BAD_ROWS, at.date(), cast("int", ""), at, summary=f"nameless {self._next()}")
        with legacy.lock:
            legacy.incidents[BAD_ROWS].create([nameless], [at])
        self.bad_rows += 1

    def _bad_event(self) -> None:
        """An event whose id does not name its key, which the normaliser sets aside."""
        key = f"{POISON.decode()}{self._next()}"
        event = {
            "record_id": f"urn:chaos:{key}",
            "system": "command",
            "key": key,
            "source_version": 1,
            "deleted": True,
            "read_at": 0,
            "changed_at": None,
            "source_position": "",
            "content_hash": bytes(16),
            "absent": [],
            "row": {},
        }
        self._send(POISONED, key.encode(), self._encode(event))

    def _bad_record(self) -> None:
        """Bytes that are no record, which the view sets aside."""
        self._send(ALLIANCE, POISON + str(self._next()).encode(), b"\0\xff\xff\xff\xffnone")

    def _staff_turn(self) -> None:
        """One person of each extract goes, another comes."""
        for force in self._legacy.staff:
            with self._legacy.lock:
                if force in self._staff:
                    self._legacy.remove(self._staff[force])
                today = self._legacy.clock().date()
                joiner = person(force, _SPARED * 3 + self._next(), "POLICE_STAFF", today, self._rng)
                self._staff[force] = self._legacy.hire(joiner)

    def _back(self) -> None:
        """What was taken back is entered again; something else is raised and taken back."""
        legacy = self._legacy
        for identity in self._taken_back:
            legacy.change(identity, deleted=False)
        self._taken_back = []
        for force in legacy.incidents:
            at = legacy.clock().replace(microsecond=0)
            summary = f"comes and goes {self._next()}"
            identity = legacy.raise_incident(force, at, dt.date(2026, 1, 1), summary=summary)
            legacy.remove(identity)
            self._taken_back.append(identity)

    def _replay(self) -> None:
        """A row goes back to its connector as an operator's would, with a later one that takes it away."""
        number, at = self._next(), time.time_ns() // 1000
        about = {"source_position": f"row {number}", "columns": [], "at": at}
        row = {"Log_No": str(number), "Log_Date": _REPLAYED_ON}
        wishes = {
            f"{REPLAY}chaos-{number}-{turn}": wish_value(
                about, json.dumps({**row, "Action": action}).encode(), edited=True
            )
            for turn, action in enumerate("NX")
        }
        with suppress(TransientError):  # whether they were asked is seen at the end, on the bus
            self._control.ask_all(self._feed, wishes, by="chaos")

    def _replays(self) -> list[Wish]:
        return [wish for name, wish in self._control.read(self._feed).items() if name.startswith(REPLAY)]

    def _send(self, topic: str, key: bytes, value: bytes) -> None:
        with suppress(TransientError):  # whether it was sent is seen at the end, on the bus
            self._producer.begin()
            self._producer.send(topic, key, value)
            self._producer.commit()

    def _next(self) -> int:
        self._number += 1
        return self._number
