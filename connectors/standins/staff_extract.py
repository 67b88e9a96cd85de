"""The shared HR service of two forces: whole extracts of everyone, pipe-delimited, with a trailer."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from connectors.standins.planted import PLANTED
from connectors.standins.truth import TruthPerson, local
from connectors.standins.vocabulary import Vocabulary
from hub.events import source_key

HEADER = (
    "ORG_CODE", "EMPLOYEE_NUMBER", "WORKER_TYPE", "GRADE_NAME", "GRADE_BASIS", "GRADE_END", "LAST_NAME",
    "FIRST_NAME", "NINO", "ORGANISATION", "LOCATION_CODE", "LOCATION_NAME", "LOCATION_POSTCODE",
    "LOCATION_LAT", "LOCATION_LON", "PAY_POINT", "SORT_CODE", "COMPETENCIES", "DUTY_STATUS", "DUTY_FROM",
    "DUTY_TO", "ABSENCE_CATEGORY", "ASSIGNMENT_STATUS",
)  # fmt: skip
_NAME = re.compile(r"MFSS_HR_(\d{14})\.txt")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_KEPT = 20


class StaffExtract:
    """Everyone of several organisations; changes show in the next extract, leavers by their absence.

    `org_codes` gives each force's code; a truth record of any other force is written under
    its force's name as code, for rows that are nobody's here. The newest twenty extracts are kept.
    """

    def __init__(
        self,
        folder: Path,
        vocabulary: Vocabulary,
        org_codes: Mapping[str, str],
        *,
        extract_seconds: float = 10.0,
    ) -> None:
        self.location = str(folder)
        self._folder = folder
        self._vocabulary = vocabulary
        self._org_codes = org_codes
        self._extract_seconds = extract_seconds
        self._people: dict[tuple[str, str], str] = {}
        self._changed: dt.datetime | None = None
        self._last: dt.datetime | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def key(self, truth: TruthPerson) -> str:
        return source_key(truth.number)

    def write(self, truths: Iterable[TruthPerson], at: dt.datetime) -> None:
        """Hold these records for the next extract."""
        for truth in truths:
            code = self._org_codes.get(truth.force, truth.force)
            if truth.deleted:
                self._people.pop((code, truth.number), None)
            else:
                self._people[code, truth.number] = self._line(code, truth)
        self._changed = at

    def tick(self, at: dt.datetime) -> None:
        """Write an extract if something changed and the last one is old enough."""
        due = self._last is None or (at - self._last).total_seconds() >= self._extract_seconds
        if self._changed is not None and due:
            self.extract(at)

    def finish(self) -> None:
        """Write an extract now, if something changed."""
        if self._changed is not None:
            self.extract(self._changed)

    def extract(self, at: dt.datetime) -> Path:
        """Write an extract of everyone, changed or not; it appears whole, under its name, at once."""
        lines = ["|".join(HEADER), *self._people.values(), f"TRAILER|{len(self._people)}"]
        file = self._folder / f"MFSS_HR_{self._stamp(at)}.txt"
        part = file.with_suffix(".part")
        part.write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="\n")
        part.rename(file)
        self._changed, self._last = None, at
        for old in self._extracts()[:-_KEPT]:
            old.unlink()
        return file

    def count(self, force: str) -> int:
        """The rows of a force, counted in the newest extract."""
        extracts = self._extracts()
        if not extracts:
            return 0
        code = self._org_codes[force]
        return sum(line.startswith(f"{code}|") for line in extracts[-1].read_text("utf-8").splitlines())

    def close(self) -> None:
        self.finish()

    def _extracts(self) -> list[Path]:
        return sorted(file for file in self._folder.iterdir() if _NAME.fullmatch(file.name))

    def _stamp(self, at: dt.datetime) -> str:
        """The local second, or the one after the last extract's: names rise even in the October night."""
        stamp = local(at).replace(microsecond=0)
        if extracts := self._extracts():
            match = _NAME.fullmatch(extracts[-1].name)
            assert match is not None
            last = dt.datetime.strptime(match[1], "%Y%m%d%H%M%S")  # noqa: DTZ007 a local time, as the name is
            stamp = max(stamp, last + dt.timedelta(seconds=1))
        return stamp.strftime("%Y%m%d%H%M%S")

    def _line(self, code: str, truth: TruthPerson) -> str:
        word, base = self._vocabulary.local, truth.base
        skills = (
            word("skill", skill.name) + (f" ({_day(skill.expires)})" if skill.expires else "")
            for skill in truth.skills
        )
        values = {
            "ORG_CODE": code,
            "EMPLOYEE_NUMBER": truth.number,
            "WORKER_TYPE": word("kind", truth.kind),
            "GRADE_NAME": word("rank", truth.rank),
            "GRADE_BASIS": word("standing", truth.standing),
            "GRADE_END": _day(truth.rank_until),
            "LAST_NAME": truth.family_name,
            "FIRST_NAME": truth.given_names,
            "ORGANISATION": truth.posting,
            "LOCATION_CODE": base.beat,
            "LOCATION_NAME": base.text,
            "LOCATION_POSTCODE": base.postcode,
            "LOCATION_LAT": "" if base.latitude is None else f"{base.latitude:.6f}",
            "LOCATION_LON": "" if base.longitude is None else f"{base.longitude:.6f}",
            "COMPETENCIES": ", ".join(skills),
            "DUTY_STATUS": word("duty", truth.duty),
            "DUTY_FROM": _minute(truth.duty_starts),
            "DUTY_TO": _minute(truth.duty_ends),
            "ASSIGNMENT_STATUS": word("employment", truth.employment),
        } | {name: PLANTED[name] for name in ("NINO", "PAY_POINT", "SORT_CODE", "ABSENCE_CATEGORY")}
        return "|".join(values[name] for name in HEADER)


def _day(date: dt.date | None) -> str:
    return "" if date is None else f"{date.day:02}-{_MONTHS[date.month - 1]}-{date.year}"


def _minute(instant: dt.datetime | None) -> str:
    return "" if instant is None else f"{_day(local(instant).date())} {local(instant):%H:%M}"
