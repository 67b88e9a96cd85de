"""Leicestershire's command and control: the view V_INCIDENT of a reporting database."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from connectors.standins.planted import PLANTED
from connectors.standins.truth import TruthIncident, local, points
from connectors.standins.vocabulary import Vocabulary
from hub.events import source_key

_TEXTS = (
    "CREATED", "FIRST_DESPATCH", "FIRST_ARRIVAL", "CLOSED", "STATUS_CODE", "GRADE", "OPEN_CODE", "CLOSE_CODE",
    "QUALS", "SUMMARY", "LOC_TEXT", "POSTCODE", "UPRN", "BEAT", "UNITS", "NICHE_REF", "MARKING",
    "CALLER_NAME", "CALLER_PHONE",
)  # fmt: skip

TABLE = sa.Table(
    "V_INCIDENT",
    sa.MetaData(),
    sa.Column("INC_DATE", sa.String, primary_key=True),
    sa.Column("INC_NO", sa.BigInteger, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.String) for name in _TEXTS),
    sa.Column("EASTING", sa.BigInteger),
    sa.Column("NORTHING", sa.BigInteger),
    sa.Column("RESTRICTED", sa.Boolean),
    sa.Column("IS_DELETED", sa.Boolean),
    sa.Column("LAST_UPDATED", sa.String, index=True),
)
_FORM = "%Y-%m-%d %H:%M:%S"


class SqlIncidents:
    """Incidents in a table with a watermark in local time and a deletion flag."""

    def __init__(self, url: str, vocabulary: Vocabulary) -> None:
        self.location = url
        self._vocabulary = vocabulary
        self._engine = open_database(url)
        TABLE.metadata.create_all(self._engine)

    def key(self, truth: TruthIncident) -> str:
        return source_key(truth.date.isoformat(), str(truth.number))

    def create(self, truths: Sequence[TruthIncident], at: Sequence[dt.datetime]) -> None:
        """Insert rows stamped as last updated at these instants, all in one transaction."""
        with self._engine.begin() as connection:
            connection.execute(TABLE.insert(), self._rows(truths, at))

    def update(self, truths: Sequence[TruthIncident], at: Sequence[dt.datetime]) -> None:
        with self._engine.begin() as connection:
            for row in self._rows(truths, at):
                connection.execute(TABLE.update().where(*_is(row["INC_DATE"], row["INC_NO"])).values(row))

    def remove(self, truth: TruthIncident, at: dt.datetime) -> None:
        """Flag the row as deleted."""
        flag = {"IS_DELETED": True, "LAST_UPDATED": _text(at)}
        with self._engine.begin() as connection:
            connection.execute(TABLE.update().where(*_is_row(truth)).values(flag))

    def delete_hard(self, truth: TruthIncident) -> None:
        """Delete the row without a trace, as a weeding script does."""
        with self._engine.begin() as connection:
            connection.execute(TABLE.delete().where(*_is_row(truth)))

    def tick(self, at: dt.datetime) -> None:
        """Nothing is waiting here: a row is there once it is written."""

    def finish(self) -> None:
        """Nothing is waiting here either."""

    def count(self) -> int:
        """The live rows, counted in the database."""
        live = sa.select(sa.func.count()).where(TABLE.c.IS_DELETED.is_not(True))
        with self._engine.connect() as connection:
            return int(connection.execute(live).scalar_one())

    def close(self) -> None:
        self._engine.dispose()

    def _rows(self, truths: Sequence[TruthIncident], at: Sequence[dt.datetime]) -> list[dict[str, Any]]:
        found = points([truth.place for truth in truths])
        return [
            self._row(truth, point) | {"LAST_UPDATED": _text(instant)}
            for truth, point, instant in zip(truths, found, at, strict=True)
        ]

    def _row(self, truth: TruthIncident, point: tuple[float, float] | None) -> dict[str, Any]:
        word, day = self._vocabulary.local, truth.date.isoformat()
        texts = {
            "CREATED": _text(truth.created),
            "FIRST_DESPATCH": _text(truth.dispatched),
            "FIRST_ARRIVAL": _text(truth.arrived),
            "CLOSED": _text(truth.closed),
            "STATUS_CODE": word("status", truth.status),
            "GRADE": word("grade", truth.grade, day),
            "OPEN_CODE": word("code", truth.opening),
            "CLOSE_CODE": word("code", truth.closing),
            "QUALS": ";".join(word("qualifier", each) for each in truth.qualifiers),
            "SUMMARY": truth.summary,
            "LOC_TEXT": truth.place.text,
            "POSTCODE": truth.place.postcode,
            "UPRN": truth.place.uprn,
            "BEAT": truth.place.beat,
            "UNITS": ";".join(f"{unit.callsign}:{word('unit_state', unit.state)}" for unit in truth.units),
            "NICHE_REF": truth.niche,
            "MARKING": word("marking", truth.marking),
            "CALLER_NAME": PLANTED["CALLER_NAME"],
            "CALLER_PHONE": PLANTED["CALLER_PHONE"],
        }
        return {name: text or None for name, text in texts.items()} | {
            "INC_DATE": day,
            "INC_NO": truth.number,
            "EASTING": None if point is None else round(point[0]),
            "NORTHING": None if point is None else round(point[1]),
            "RESTRICTED": truth.restricted,
            "IS_DELETED": truth.deleted,
        }


def open_database(url: str) -> sa.Engine:
    """Open a stand-in's own database for writing; a SQLite file keeps its rollback journal.

    That way a reader needs no right to write beside it, as write-ahead logging would ask for.
    """
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":

        @sa.event.listens_for(engine, "connect")
        def _configure(connection: Any, _record: Any) -> None:
            connection.execute("pragma synchronous=off")
            connection.execute("pragma busy_timeout=30000")

    return engine


def _is(day: str, number: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    date, sequence = TABLE.c.INC_DATE, TABLE.c.INC_NO
    return date == day, sequence == number


def _is_row(truth: TruthIncident) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return _is(truth.date.isoformat(), truth.number)


def _text(instant: dt.datetime | None) -> str:
    return "" if instant is None else local(instant).strftime(_FORM)
