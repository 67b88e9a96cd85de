"""Northamptonshire's command and control: CSV drops in a folder, appended to and then marked whole."""

import csv
import datetime as dt
import io
import re
from collections.abc import Sequence
from pathlib import Path

from connectors.standins.planted import PLANTED
from connectors.standins.truth import TruthIncident, local, points
from connectors.standins.vocabulary import Vocabulary
from hub.events import source_key

HEADER = (
    "Log No", "Log Date", "Action", "Date Created", "Time Despatched", "Time Arrived", "Time Closed", "State",
    "Response", "Type In", "Type Out", "Flags", "Description", "Informant", "Address", "Post Code",
    "Grid Ref", "Sector", "Resources", "Occurrence", "GSC", "Sensitive",
)  # fmt: skip
_NAME = re.compile(r"INC_(\d{8})_(\d{6})\.csv")
_MARK = ".done"
_PART = ".part"
_DROPS_A_SECOND = 1000
"""How many drops in the folder make the next one wait a second longer."""
_ENCODING = "cp1252"


class CsvIncidents:
    """Incidents as lines of drops: N new, U update, X cancel; each line is the whole row.

    A drop is written under another name and handed over when it is `drop_seconds` old at a
    tick: the marker first, then the name. Nobody empties the folder, so that drops come less
    often the more there are: with 5,000 every five seconds. What an earlier run left unfinished
    is cut after its last whole line and handed over.
    """

    def __init__(self, folder: Path, vocabulary: Vocabulary, *, drop_seconds: float = 1.0) -> None:
        self.location = str(folder)
        self._folder = folder
        self._vocabulary = vocabulary
        self._drop_seconds = drop_seconds
        self._open: tuple[Path, dt.datetime] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        for part in sorted(folder.glob(f"*{_PART}")):
            _cut(part)
            _hand_over(part)
        drops = self._drops()
        self._count, self._last = len(drops), drops[-1].name if drops else "INC_00000000_000000.csv"

    def key(self, truth: TruthIncident) -> str:
        return source_key(truth.date.strftime("%d/%m/%Y"), str(truth.number))

    def create(self, truths: Sequence[TruthIncident], at: Sequence[dt.datetime]) -> None:
        self._append("N", truths, at[-1])

    def update(self, truths: Sequence[TruthIncident], at: Sequence[dt.datetime]) -> None:
        self._append("U", truths, at[-1])

    def remove(self, truth: TruthIncident, at: dt.datetime) -> None:
        """Write a cancel line."""
        self._append("X", [truth], at)

    def tick(self, at: dt.datetime) -> None:
        """Hand the open drop over, once it is old enough."""
        enough = max(self._drop_seconds, self._count / _DROPS_A_SECOND)
        if self._open is not None and (at - self._open[1]).total_seconds() >= enough:
            self.finish()

    def finish(self) -> None:
        """Hand the open drop over now."""
        if self._open is not None:
            _hand_over(self._open[0])
            self._open = None

    def redeliver(self, at: dt.datetime) -> Path:
        """Drop the newest file a second time under another name, as a transfer that is retried does."""
        self.finish()
        last = self._drops()[-1]
        again = self._next_file(at)
        again.write_bytes(last.read_bytes())
        return _hand_over(again)

    def count(self) -> int:
        """The logs whose last line is not a cancel, counted in the drops themselves."""
        last: dict[tuple[str, str], str] = {}
        parts = [self._open[0]] if self._open is not None else []
        for file in [*self._drops(), *parts]:
            with file.open(encoding=_ENCODING, newline="") as lines:
                for row in csv.DictReader(lines):
                    last[row["Log Date"], row["Log No"]] = row["Action"]
        return sum(action != "X" for action in last.values())

    def close(self) -> None:
        self.finish()

    def _drops(self) -> list[Path]:
        return sorted(file for file in self._folder.iterdir() if _NAME.fullmatch(file.name))

    def _append(self, action: str, truths: Sequence[TruthIncident], at: dt.datetime) -> None:
        found = points([truth.place for truth in truths])
        text = io.StringIO(newline="")
        lines = csv.writer(text)
        if self._open is None:
            self._open = (self._next_file(at), at)
            lines.writerow(HEADER)
        lines.writerows(self._line(action, truth, point) for truth, point in zip(truths, found, strict=True))
        with self._open[0].open("ab") as file:
            file.write(text.getvalue().encode(_ENCODING, "replace"))

    def _next_file(self, at: dt.datetime) -> Path:
        """Name the next drop: the day, never before the last one's, and a number that goes on.

        While it is written it carries `_PART` as well.
        """
        match = _NAME.fullmatch(self._last)
        assert match is not None
        day = max(f"{local(at):%Y%m%d}", match[1])
        self._last = f"INC_{day}_{int(match[2]) + 1:06}.csv"
        self._count += 1
        return self._folder / f"{self._last}{_PART}"

    def _line(self, action: str, truth: TruthIncident, point: tuple[float, float] | None) -> list[str]:
        word, place = self._vocabulary.local, truth.place
        return [
            str(truth.number),
            truth.date.strftime("%d/%m/%Y"),
            action,
            *(_text(each) for each in (truth.created, truth.dispatched, truth.arrived, truth.closed)),
            word("status", "CLOSED" if truth.status == "CANCELLED" else truth.status),
            word("grade", truth.grade),
            word("code", truth.opening),
            word("code", truth.closing),
            "|".join(word("qualifier", each) for each in truth.qualifiers),
            truth.summary,
            PLANTED["Informant"],
            place.text,
            place.postcode,
            "" if point is None else grid_reference(*point),
            place.beat,
            "|".join(f"{unit.callsign} {word('unit_state', unit.state)}" for unit in truth.units),
            truth.niche,
            word("marking", truth.marking),
            "Y" if truth.restricted else "N",
        ]


def grid_reference(easting: float, northing: float) -> str:
    """Write the letters form to one metre, such as 'SP 75400 60500'; it names a square's corner."""
    east, north = int(easting), int(northing)
    column, row = east // 100_000 + 10, 19 - north // 100_000
    letters = "".join(
        _letter(across, down) for across, down in ((column // 5, row // 5), (column % 5, row % 5))
    )
    return f"{letters} {east % 100_000:05} {north % 100_000:05}"


def _letter(across: int, down: int) -> str:
    """The letter of a five by five square counted from its north-west corner; there is no I."""
    return "ABCDEFGHJKLMNOPQRSTUVWXYZ"[down * 5 + across]


def _hand_over(part: Path) -> Path:
    """Give a drop its name, its marker already there, so that nobody ever sees it without."""
    file = part.with_suffix("")
    file.with_name(file.name + _MARK).touch()
    return part.rename(file)


def _cut(file: Path) -> None:
    whole = file.read_bytes().rpartition(b"\r\n")
    file.write_bytes(whole[0] + whole[1])


def _text(instant: dt.datetime | None) -> str:
    return "" if instant is None else local(instant).strftime("%d/%m/%Y %H:%M")
