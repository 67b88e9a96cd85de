"""Leicestershire's HR system: the table V_PERSON, without a column that tells what changed."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from connectors.standins.planted import PLANTED
from connectors.standins.sql_incidents import open_database
from connectors.standins.truth import TruthPerson, local, points
from connectors.standins.vocabulary import Vocabulary
from hub.events import source_key

_TEXTS = (
    "TYPE", "RANK", "RANK_TYPE", "RANK_UNTIL", "SURNAME", "FORENAMES", "UNIT", "STATION", "STATION_POSTCODE",
    "SKILLS", "DUTY", "DUTY_START", "DUTY_END", "STATUS",
    "NI_NUMBER", "BANK_ACCOUNT", "SALARY", "ABSENCE_REASON",
)  # fmt: skip

TABLE = sa.Table(
    "V_PERSON",
    sa.MetaData(),
    sa.Column("STAFF_NO", sa.String, primary_key=True),
    *(sa.Column(name, sa.String) for name in _TEXTS),
    sa.Column("STATION_E", sa.BigInteger),
    sa.Column("STATION_N", sa.BigInteger),
)


class SqlStaff:
    """People in a table; one who is gone is deleted from it."""

    def __init__(self, url: str, vocabulary: Vocabulary) -> None:
        self.location = url
        self._vocabulary = vocabulary
        self._engine = open_database(url)
        TABLE.metadata.create_all(self._engine)

    def key(self, truth: TruthPerson) -> str:
        return source_key(truth.number)

    def write(self, truths: Iterable[TruthPerson], at: dt.datetime) -> None:
        """Make the rows say what these records say, in one transaction."""
        del at
        truths = list(truths)
        rows = [
            self._row(truth, point)
            for truth, point in zip(truths, points([t.base for t in truths]), strict=True)
            if not truth.deleted
        ]
        with self._engine.begin() as connection:
            connection.execute(TABLE.delete().where(TABLE.c.STAFF_NO.in_([t.number for t in truths])))
            if rows:
                connection.execute(TABLE.insert(), rows)

    def tick(self, at: dt.datetime) -> None:
        """Nothing is waiting here: a row is there once it is written."""

    def finish(self) -> None:
        """Nothing is waiting here either."""

    def count(self, force: str) -> int:
        """The rows, counted in the database."""
        del force
        with self._engine.connect() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(TABLE)).scalar_one())

    def close(self) -> None:
        self._engine.dispose()

    def _row(self, truth: TruthPerson, point: tuple[float, float] | None) -> dict[str, Any]:
        word = self._vocabulary.local
        skills = (
            f"{word('skill', s.name)}={s.expires.isoformat() if s.expires else ''}" for s in truth.skills
        )
        texts = {
            "STAFF_NO": truth.number,
            "TYPE": word("kind", truth.kind),
            "RANK": word("rank", truth.rank),
            "RANK_TYPE": word("standing", truth.standing),
            "RANK_UNTIL": truth.rank_until.isoformat() if truth.rank_until else "",
            "SURNAME": truth.family_name,
            "FORENAMES": truth.given_names,
            "UNIT": truth.posting,
            "STATION": truth.base.text,
            "STATION_POSTCODE": truth.base.postcode,
            "SKILLS": ";".join(skills),
            "DUTY": word("duty", truth.duty),
            "DUTY_START": _text(truth.duty_starts),
            "DUTY_END": _text(truth.duty_ends),
            "STATUS": word("employment", truth.employment),
        } | {name: PLANTED[name] for name in ("NI_NUMBER", "BANK_ACCOUNT", "SALARY", "ABSENCE_REASON")}
        return {name: text or None for name, text in texts.items()} | {
            "STATION_E": None if point is None else round(point[0]),
            "STATION_N": None if point is None else round(point[1]),
        }


def _text(instant: dt.datetime | None) -> str:
    return "" if instant is None else local(instant).strftime("%Y-%m-%d %H:%M:%S")
