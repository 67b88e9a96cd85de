"""The legacy systems of all forces as one: what is true goes in, each force's own format comes out."""

import dataclasses
import datetime as dt
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from connectors.standins.book import TruthBook
from connectors.standins.csv_incidents import CsvIncidents
from connectors.standins.people import recruit
from connectors.standins.sql_incidents import SqlIncidents
from connectors.standins.sql_staff import SqlStaff
from connectors.standins.staff_extract import StaffExtract
from connectors.standins.truth import Truth, TruthIncident, TruthPerson, domain_of
from connectors.standins.vocabulary import LEICESTERSHIRE, NORTHAMPTONSHIRE, NOTTINGHAMSHIRE
from connectors.standins.xml_feed import XmlFeed
from hub.domains import DOMAINS
from hub.errors import ConfigurationError
from hub.events import record_id
from hub.forces import Feed, Force


class IncidentSystem(Protocol):
    """One force's incident system: written to in truth, read by a connector at `location`."""

    location: str

    def key(self, truth: TruthIncident) -> str:
        """The row's own key, percent-encoded as in the record id."""
        ...

    def create(self, truths: Sequence[TruthIncident], at: Sequence[dt.datetime]) -> None:
        """Write new incidents, each changed at its instant."""
        ...

    def update(self, truths: Sequence[TruthIncident], at: Sequence[dt.datetime]) -> None:
        """Write incidents it holds anew."""
        ...

    def remove(self, truth: TruthIncident, at: dt.datetime) -> None:
        """Take an incident back in the system's usual way: a flag, a cancel line, a removal."""
        ...

    def tick(self, at: dt.datetime) -> None:
        """Hand over what is due by now."""
        ...

    def finish(self) -> None:
        """Hand over everything now."""
        ...

    def count(self) -> int:
        """The live incidents, counted in the system itself."""
        ...

    def close(self) -> None: ...


StaffSystem = SqlStaff | StaffExtract


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class LegacySystems:
    """Stand-ins for every feed of `forces`; all they hold is in `folder`, and found again there.

    A force is given the format of the built-in force that shares its kind of source. `urls`
    puts an incident database elsewhere than in the folder, by force. `feed` is where the XML feed
    listens. `staff_scale` is the share of the real head counts.
    """

    def __init__(
        self,
        folder: Path,
        forces: Mapping[str, Force],
        *,
        clock: Callable[[], dt.datetime] = now,
        urls: Mapping[str, str] | None = None,
        feed: tuple[str, int] = ("127.0.0.1", 0),
        staff_scale: float = 0.1,
        drop_seconds: float = 1.0,
        extract_seconds: float = 10.0,
    ) -> None:
        self.clock = clock
        self.forces = forces
        self.lock = threading.RLock()
        self._folder = folder
        self._urls = urls or {}
        self._feed = feed
        folder.mkdir(parents=True, exist_ok=True)
        self.book = TruthBook(folder / "truth.db")
        self.incidents = {
            name: self._incident_system(force.feeds["incident"], drop_seconds)
            for name, force in forces.items()
            if "incident" in force.feeds
        }
        self.staff = self._staff_systems(extract_seconds)
        self._hire(staff_scale)

    def locations(self) -> dict[str, dict[str, str]]:
        """Where each system is read, by force and domain, as the settings want it."""
        found: dict[str, dict[str, str]] = {name: {} for name in self.forces}
        for name, incidents in self.incidents.items():
            found[name]["incident"] = incidents.location
        for name, staff in self.staff.items():
            found[name]["hr"] = staff.location
        return found

    def truth(self) -> dict[str, Truth]:
        """What is true now, by record id; records that are gone say so."""
        return self.book.all()

    def count(self, force: str, domain: str) -> int:
        """The rows that a system holds for a force, counted in the system itself."""
        return self.incidents[force].count() if domain == "incident" else self.staff[force].count(force)

    def record_id(self, truth: Truth) -> str:
        domain = DOMAINS[domain_of(truth)]
        system = self.forces[truth.force].feeds[domain.name].system if domain.noun_has_system else None
        if isinstance(truth, TruthIncident):
            return record_id(domain.noun, truth.force, system, self.incidents[truth.force].key(truth))
        return record_id(domain.noun, truth.force, system, self.staff[truth.force].key(truth))

    def system_of(self, truth: Truth) -> "IncidentSystem | StaffSystem":
        """The system that holds a record."""
        return (self.incidents if isinstance(truth, TruthIncident) else self.staff)[truth.force]

    def raise_incident(self, force: str, created: dt.datetime, date: dt.date, **fields: Any) -> str:
        """Enter a new incident under the next number of its local day; return its record id."""
        with self.lock:
            number = self.book.number(force, date)
            truth = TruthIncident(force, date, number, created, **fields)
            self.incidents[force].create([truth], [self.clock()])
            return self._note(truth)

    def enter(self, truths: Sequence[TruthIncident], at: Sequence[dt.datetime]) -> None:
        """Enter many incidents of one force at once, numbers already given."""
        with self.lock:
            self.incidents[truths[0].force].create(truths, at)
            self.book.put((self.record_id(truth), truth) for truth in truths)

    def change(self, identity: str, *, at: dt.datetime | None = None, **changes: Any) -> Truth:
        """Change a record and write it as its system does; `at` is the system's stamp, now if None."""
        with self.lock:
            truth = dataclasses.replace(self.book.get(identity), **changes)
            self._write(truth, at or self.clock())
            self._note(truth)
            return truth

    def remove(self, identity: str) -> None:
        """Take an incident back, or let a person go, in the system's own way."""
        with self.lock:
            truth = dataclasses.replace(self.book.get(identity), deleted=True)
            if isinstance(truth, TruthIncident):
                self.incidents[truth.force].remove(truth, self.clock())
            else:
                self.staff[truth.force].write([truth], self.clock())
            self._note(truth)

    def hire(self, person: TruthPerson) -> str:
        with self.lock:
            self.staff[person.force].write([person], self.clock())
            return self._note(person)

    def tick(self) -> None:
        """Let every system hand over what is due by now."""
        with self.lock:
            at = self.clock()
            for system in (*self.incidents.values(), *set(self.staff.values())):
                system.tick(at)

    def finish(self) -> None:
        """Let every system hand over all it holds."""
        with self.lock:
            for system in (*self.incidents.values(), *set(self.staff.values())):
                system.finish()

    def close(self) -> None:
        with self.lock:
            for system in (*self.incidents.values(), *set(self.staff.values())):
                system.close()
            self.book.close()

    def _note(self, truth: Truth) -> str:
        identity = self.record_id(truth)
        self.book.put([(identity, truth)])
        return identity

    def _write(self, truth: Truth, at: dt.datetime) -> None:
        if isinstance(truth, TruthIncident):
            self.incidents[truth.force].update([truth], [at])
        else:
            self.staff[truth.force].write([truth], at)

    def _incident_system(self, feed: Feed, drop_seconds: float) -> IncidentSystem:
        folder = self._folder / feed.force
        folder.mkdir(parents=True, exist_ok=True)
        match feed.source.get("kind"):
            case "sql":
                url = self._urls.get(feed.force, f"sqlite:///{(folder / 'incidents.db').absolute()}")
                return SqlIncidents(url, LEICESTERSHIRE)
            case "files":
                return CsvIncidents(
                    folder.absolute() / "incidents", NORTHAMPTONSHIRE, drop_seconds=drop_seconds
                )
            case "feed":
                return XmlFeed(folder / "incidents.db", NOTTINGHAMSHIRE, address=self._feed)
            case kind:
                raise ConfigurationError(f"{feed.file}: no stand-in for a source of kind '{kind}'.")

    def _staff_systems(self, extract_seconds: float) -> dict[str, StaffSystem]:
        feeds = [force.feeds["hr"] for force in self.forces.values() if "hr" in force.feeds]
        codes = {f.force: self.forces[f.force].card.code for f in feeds if f.source.get("kind") == "files"}
        shared = StaffExtract(
            self._folder.absolute() / "shared-hr", NOTTINGHAMSHIRE, codes, extract_seconds=extract_seconds
        )
        return {
            feed.force: shared
            if feed.force in codes
            else SqlStaff(f"sqlite:///{(self._folder / feed.force / 'people.db').absolute()}", LEICESTERSHIRE)
            for feed in feeds
        }

    def _hire(self, scale: float) -> None:
        """Fill the HR systems: with the people of an earlier run, or with new ones."""
        people = [truth for truth in self.book.all().values() if isinstance(truth, TruthPerson)]
        at = self.clock()
        rng = random.Random(1829)
        for force, system in self.staff.items():
            known = [person for person in people if person.force == force]
            hired = known or recruit(force, scale=scale, today=at.date(), rng=rng)
            self.book.put((self.record_id(person), person) for person in hired)
            system.write(hired, at)
        for shared in {system for system in self.staff.values() if isinstance(system, StaffExtract)}:
            shared.write(_strangers(at.date()), at)
            shared.tick(at)


def _strangers(today: dt.date) -> list[TruthPerson]:
    """People of Derbyshire in the shared service, and one of no force at all."""
    rng = random.Random(1836)
    people = recruit("leicestershire", scale=0.002, today=today, rng=rng)[:6]
    codes = ["30"] * (len(people) - 1) + ["99"]
    return [
        dataclasses.replace(person, force=code, number=f"9{person.number}")
        for person, code in zip(people, codes, strict=True)
    ]
