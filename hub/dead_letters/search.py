"""Which letters are meant: a filter of force, domain, stage, error, time, state and business key."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields

from hub.dead_letters.book import Letter
from hub.dead_letters.cases import UNRESOLVED, Case, State
from hub.errors import BadQueryError

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

BusinessKeys = Callable[[Letter], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Search:
    """All that is stated must hold; of several values one. Times are microseconds UTC, both included.

    `error` is a part of the error's name or of the reason; `key` an incident's or a staff number,
    the source's whole key or a part of it. Only letters that wait, unless `states` says otherwise.
    """

    ids: tuple[str, ...] = ()
    forces: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    states: tuple[State, ...] = UNRESOLVED
    error: str = ""
    since: int | None = None
    until: int | None = None
    key: str = ""

    @property
    def words(self) -> str:
        """What was asked, for the audit log: a key may be a person's number, so it is not repeated."""
        said = [
            f"{field.name} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"
            for field in fields(self)
            if field.name != "key" and (value := getattr(self, field.name)) not in {(), "", None, UNRESOLVED}
        ]
        return ", ".join([*said, *(("key …",) if self.key else ())])

    def fits(self, letter: Letter, case: Case, keys: BusinessKeys) -> bool:
        about = letter.about
        return (
            case.state in self.states
            and (not self.ids or letter.id in self.ids)
            and (not self.forces or about["force"] in self.forces)
            and (not self.domains or about["domain"] in self.domains)
            and (not self.stages or about["stage"] in self.stages)
            and (self.since is None or about["at"] >= self.since)
            and (self.until is None or about["at"] <= self.until)
            and self._fits_error(letter, case)
            and (not self.key or self.key.casefold() in {word.casefold() for word in keys(letter)})
        )

    def _fits_error(self, letter: Letter, case: Case) -> bool:
        wanted = self.error.casefold()
        said = (
            letter.about["error"],
            letter.about["reason"],
            *(a.why for a in case.acts if a.what == "failed"),
        )
        return not wanted or any(wanted in each.casefold() for each in said)


def read_states(words: Sequence[str]) -> tuple[State, ...]:
    """The states asked for: those that wait unless any is named, `all` for every one."""
    if "all" in words:
        return tuple(State)
    known = [str(state) for state in State]
    if unknown := [word for word in words if word not in known]:
        raise BadQueryError(f"'{unknown[0]}' is no state of a letter; these are: all, {', '.join(known)}.")
    return tuple(State(word) for word in words) or UNRESOLVED


def read_instant(name: str, text: str) -> int | None:
    """An instant with its offset, in microseconds UTC; None for no text."""
    if not text:
        return None
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise BadQueryError(f"'{name}' is an instant such as 2016-11-05T14:30:00Z, with its offset.")
    return (instant - _EPOCH) // dt.timedelta(microseconds=1)
