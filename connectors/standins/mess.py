"""What real systems do to whoever reads them, each by its name."""

import dataclasses
import datetime as dt
from typing import Any

from connectors.standins.csv_incidents import CsvIncidents
from connectors.standins.legacy import LegacySystems
from connectors.standins.sql_incidents import SqlIncidents
from connectors.standins.truth import LONDON, Truth, TruthIncident, local
from connectors.standins.xml_feed import XmlFeed


class Mess:
    """Makes each kind of mess on demand; record ids come from `LegacySystems.truth`."""

    def __init__(self, legacy: LegacySystems) -> None:
        self._legacy = legacy

    def late_commit(self, force: str, minutes: float) -> str:
        """An incident whose row appears only now, stamped as written `minutes` ago."""
        legacy = self._legacy
        at = (legacy.clock() - dt.timedelta(minutes=minutes)).replace(microsecond=0)
        date = local(at).date()
        truth = TruthIncident(force, date, legacy.book.number(force, date), at, summary="Committed late")
        legacy.enter([truth], [at])
        return legacy.record_id(truth)

    def correct(self, identity: str, text: str) -> None:
        """The summary is mended after the fact."""
        self._legacy.change(identity, summary=text)

    def reopen(self, identity: str) -> None:
        """A closed incident is open again."""
        self._legacy.change(identity, status="OPEN", closed=None, closing="")

    def across_midnight(self, force: str, day: dt.date) -> tuple[str, str]:
        """The last incident of `day` and the first of the next: the numbers restart."""
        midnight = dt.datetime.combine(day + dt.timedelta(1), dt.time(), LONDON)
        return self._at(force, midnight - dt.timedelta(minutes=1)), self._at(force, midnight)

    def october_night(self, force: str, year: int) -> list[str]:
        """Four incidents half an hour apart over the hour that repeats; two pairs share their local time."""
        first = dt.datetime(year, 10, 31, 0, 0, tzinfo=dt.UTC)
        first -= dt.timedelta((first.weekday() + 1) % 7)  # the last Sunday; the clocks go back at 01:00 UTC
        return [self._at(force, first + dt.timedelta(minutes=30 * n)) for n in range(4)]

    def duplicate(self, identity: str) -> None:
        """The same again: a row touched, a drop sent twice, an item repeated."""
        legacy = self._legacy
        truth = legacy.book.get(identity)
        system = legacy.incidents.get(truth.force) if isinstance(truth, TruthIncident) else None
        with legacy.lock:
            if isinstance(system, CsvIncidents):
                system.redeliver(legacy.clock())
            elif isinstance(system, XmlFeed) and isinstance(truth, TruthIncident):
                system.repeat(truth)
            else:
                legacy.change(identity)

    def restrict(self, identity: str) -> None:
        """The incident becomes restricted."""
        self._legacy.change(identity, restricted=True)

    def delete_hard(self, identity: str) -> None:
        """The row is gone from its table without a flag. SQL incidents only."""
        legacy = self._legacy
        truth = legacy.book.get(identity)
        assert isinstance(truth, TruthIncident)
        system = legacy.incidents[truth.force]
        assert isinstance(system, SqlIncidents)
        with legacy.lock:
            system.delete_hard(truth)
            legacy.book.put([(identity, dataclasses.replace(truth, deleted=True))])

    def take_back(self, identity: str) -> None:
        """Flagged as deleted, cancelled or removed, as the force's system does it."""
        self._legacy.remove(identity)

    def put_again(self, identity: str) -> None:
        """What was taken back is entered again under the same key."""
        self._legacy.change(identity, deleted=False)

    def leave(self, identity: str) -> None:
        """A person leaves: the employment ends, the row stays."""
        self._legacy.change(identity, employment="LEFT", duty="OFF_DUTY", duty_starts=None, duty_ends=None)

    def there_and_back(self, identity: str) -> tuple[Truth, Truth]:
        """A, then B, then A again; returns A and B. The system hands B over before A returns."""
        legacy = self._legacy
        first = legacy.book.get(identity)
        name, values = ("grade", ("EMERGENCY", "PRIORITY"))
        if not isinstance(first, TruthIncident):
            name, values = ("duty", ("ON_CALL", "ON_DUTY"))
        before = getattr(first, name)
        changes: dict[str, Any] = {name: next(value for value in values if value != before)}
        second = legacy.change(identity, **changes)
        legacy.system_of(first).finish()
        changes[name] = before
        legacy.change(identity, **changes)
        return first, second

    def _at(self, force: str, created: dt.datetime) -> str:
        created = created.astimezone(dt.UTC)
        return self._legacy.raise_incident(
            force, created, local(created).date(), opening="101", grade="PRIORITY", summary="At the turn"
        )
