"""Keeps the legacy systems busy: new incidents, their lives, duty changes, and a little mess."""

import datetime as dt
import random
import threading

from connectors.standins.legacy import LegacySystems
from connectors.standins.mess import Mess
from connectors.standins.people import person
from connectors.standins.places import ROADS, TOWNS, Town
from connectors.standins.truth import Place, TruthIncident, TruthPerson, Unit, local
from connectors.standins.vocabulary import ADMINISTRATION, ASB, CRIME, NATIONAL, TRANSPORT, WELFARE

_MOST_OPEN = 60

_PREFIX = {"leicestershire": "LA", "northamptonshire": "NN", "nottinghamshire": "NG"}
_SHARE = {"leicestershire": 36, "northamptonshire": 24, "nottinghamshire": 40}
_DETAILS = {
    CRIME: ("reported by a passer-by", "found this morning; value about £250", "in progress", "on cameras"),
    ASB: ("noise for 20 minutes", "third report this week", "bins set alight by the shops", "off-road bikes"),
    WELFARE: ("no reply at the door", "ambulance on the way", '"line went dead", no answer'),
    TRANSPORT: ("one lane blocked", "two vehicles, nobody trapped", "debris by the café", "signals out"),
    ADMINISTRATION: ("for information", "ring back after 18:00", "handed in at the front counter"),
}  # fmt: skip
_QUALIFIERS = (
    "ALCOHOL", "DOMESTIC_ABUSE", "MENTAL_HEALTH", "YOUTH", "DRUGS", "VULNERABLE_ADULT", "REPEAT_VICTIM",
    "KNIFE", "VULNERABLE_CHILD", "HATE_RACE", "FIREARMS", "HATE_RELIGION", "HATE_SEXUAL_ORIENTATION",
    "HATE_DISABILITY", "HATE_TRANSGENDER",
)  # fmt: skip
_GRADES = ("EMERGENCY", "PRIORITY", "SCHEDULED", "NO_ATTENDANCE")
_MARKINGS = ("OFFICIAL", "OFFICIAL_SENSITIVE")


class Busy:
    """Makes `rate` changes a second over all forces, the same for the same seed and clock.

    A force has at most `most_open` open incidents; then they are worked on before new ones come.
    What is not made in time is made up for, unless it is `most_behind` late.
    """

    most_behind = dt.timedelta(seconds=5)

    def __init__(
        self, legacy: LegacySystems, *, rate: float = 5.0, seed: int = 1, most_open: int = _MOST_OPEN
    ) -> None:
        self._legacy = legacy
        self._rate = rate
        self._most_open = most_open
        self._rng = random.Random(seed)
        self._mess = Mess(legacy)
        self._forces = [force for force in legacy.incidents if force in TOWNS]
        self._open = {force: legacy.book.still_open(force, "incident") for force in self._forces}
        self._people = {force: legacy.book.still_open(force, "hr") for force in legacy.staff}
        self._done: list[str] = []
        self._due = legacy.clock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: Exception | None = None
        self.changes = 0

    def step(self) -> None:
        """Make every change that is due by the clock."""
        now = self._legacy.clock()
        self._due = max(self._due, now - self.most_behind)  # a machine asleep makes no flood
        while self._due <= now:
            self.change()
            self._due += dt.timedelta(seconds=self._rng.expovariate(self._rate))
        self._legacy.tick()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="busy", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and let the systems hand over all they hold. Raises what had stopped it before."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._legacy.finish()
        if self.error is not None:
            raise self.error

    def change(self) -> None:
        """Make one change somewhere."""
        force = self._rng.choices(self._forces, [_SHARE.get(f, 20) for f in self._forces])[0]
        new, on, duty, mess = 35, 45, 16, 4
        if len(self._open[force]) >= self._most_open:
            new = 0
        elif len(self._open[force]) < 5:
            new, on = 80, 0
        if not self._people.get(force):
            duty = 0
        kind = self._rng.choices((self._new, self._go_on, self._duty, self._mishap), (new, on, duty, mess))[0]
        kind(force)
        self.changes += 1

    def _run(self) -> None:
        try:
            while not self._stop.wait(0.05):
                self.step()
        except Exception as error:  # noqa: BLE001 raised again by stop(), in the thread that asked for the work
            self.error = error

    def _new(self, force: str) -> None:
        rng, at = self._rng, self._now()
        opening = rng.choice(list(NATIONAL))
        category, title = NATIONAL[opening]
        date = local(at).date()
        qualifiers = rng.choices(
            _QUALIFIERS, range(len(_QUALIFIERS), 0, -1), k=rng.choice((0, 0, 0, 1, 1, 2))
        )
        identity = self._legacy.raise_incident(
            force,
            at,
            date,
            grade=rng.choices(_GRADES, (20, 35, 30, 15))[0],
            opening=opening,
            qualifiers=tuple(sorted(set(qualifiers))),
            summary=f"{title}: {rng.choice(_DETAILS[category])}",
            place=self._place(rng.choice(TOWNS[force])),
            niche=f"{date:%y}{self._legacy.forces[force].card.code}{rng.randint(0, 9_999_999):07}",
            marking=rng.choices(_MARKINGS, (9, 1))[0],
            restricted=rng.random() < 0.02,
        )
        self._open[force].append(identity)

    def _go_on(self, force: str) -> None:
        """Take an open incident one step on: dispatched, at scene, closed."""
        rng, at = self._rng, self._now()
        identity = rng.choice(self._open[force])
        truth = self._incident(identity)
        if truth.status == "OPEN" and truth.grade != "NO_ATTENDANCE":
            numbers = rng.sample(range(1, 40), rng.choice((1, 1, 2)))
            units = tuple(Unit(f"{_PREFIX.get(force, 'XX')}{n:02}", "EN_ROUTE") for n in numbers)
            self._legacy.change(identity, status="DISPATCHED", dispatched=at, units=units)
        elif truth.status == "DISPATCHED":
            units = tuple(Unit(unit.callsign, "AT_SCENE") for unit in truth.units)
            self._legacy.change(identity, status="AT_SCENE", arrived=at, units=units)
        else:
            closing = truth.opening if rng.random() < 0.85 else rng.choice(list(NATIONAL))
            self._legacy.change(identity, status="CLOSED", closed=at, closing=closing, units=())
            self._open[force].remove(identity)
            self._done = [*self._done[-99:], identity]

    def _duty(self, force: str) -> None:
        rng = self._rng
        identity = rng.choice(self._people[force])
        duty = rng.choices(("ON_DUTY", "OFF_DUTY", "ON_CALL", "ABSENT"), (6, 6, 1, 1))[0]
        starts = self._now().replace(second=0) if duty in {"ON_DUTY", "ON_CALL"} else None
        ends = starts + dt.timedelta(hours=rng.choice((8, 9, 10, 12))) if starts else None
        self._legacy.change(identity, duty=duty, duty_starts=starts, duty_ends=ends)

    def _mishap(self, force: str) -> None:
        rng, mess = self._rng, self._mess
        if self._people.get(force) and rng.random() < 0.2:
            self._turnover(force)
            return
        mine = [identity for identity in self._done if f":{force}:" in identity]
        if not mine:
            return
        identity = rng.choice(mine)
        match rng.randrange(6):
            case 0:
                mess.correct(identity, f"{self._incident(identity).summary}; corrected")
            case 1:
                mess.reopen(identity)
                self._open[force].append(identity)
                self._done.remove(identity)
            case 2:
                mess.duplicate(identity)
            case 3:
                mess.restrict(identity)
            case 4:
                mess.there_and_back(identity)
            case _:
                mess.take_back(identity)
                self._done.remove(identity)

    def _turnover(self, force: str) -> None:
        """One leaves, one joins: the head count stays."""
        people, rng = self._people[force], self._rng
        leaver = people.pop(rng.randrange(len(people)))
        truth = self._legacy.book.get(leaver)
        assert isinstance(truth, TruthPerson)
        if rng.random() < 0.5:
            self._mess.leave(leaver)
        else:
            self._mess.take_back(leaver)
        number = self._legacy.book.number(f"{force}/hr", dt.date.min) + 20_000
        joiner = person(force, number, truth.kind, self._now().date(), rng)
        people.append(self._legacy.hire(joiner))

    def _place(self, town: Town) -> Place:
        rng = self._rng
        located = rng.random() < 0.97
        letters = "ABDEFGHJLNPQRSTUWXYZ"
        postcode = f"{town.district} {rng.randint(1, 9)}{rng.choice(letters)}{rng.choice(letters)}"
        return Place(
            text=f"{rng.randint(1, 120)} {rng.choice(ROADS)}, {town.name}",
            postcode=postcode if rng.random() < 0.6 else "",
            uprn=f"{rng.randint(10_000_000_000, 99_999_999_999):012}" if rng.random() < 0.4 else "",
            latitude=round(town.latitude + rng.uniform(-0.008, 0.008), 6) if located else None,
            longitude=round(town.longitude + rng.uniform(-0.012, 0.012), 6) if located else None,
            beat=town.beat,
        )

    def _incident(self, identity: str) -> TruthIncident:
        truth = self._legacy.book.get(identity)
        assert isinstance(truth, TruthIncident)
        return truth

    def _now(self) -> dt.datetime:
        return self._legacy.clock().replace(microsecond=0)


def give_past(legacy: LegacySystems, *, hours: float = 6, changes: int = 200) -> None:
    """Give systems that hold no incident yet a past of some hours, as if they had run since."""
    if any(legacy.book.newest_date(force) for force in legacy.incidents):
        return
    clock, now = legacy.clock, legacy.clock()
    moment = now
    legacy.clock = lambda: moment
    busy = Busy(legacy, seed=0)
    for number in range(changes):
        moment = now - dt.timedelta(hours=hours * (changes - number) / changes)
        busy.change()
    legacy.clock = clock
    legacy.finish()
