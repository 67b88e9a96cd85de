"""A PostgreSQL that the hub may only read, and that goes away: as on SQLite, with its own types."""

import contextlib

import psycopg
import pytest
from psycopg import sql

from connectors.sources import open_source
from hub.errors import ConfigurationError, SourceChangedError, TransientError
from tests.connecting import balanced, key, shape

pytestmark = pytest.mark.postgres

CREATE = """
create table v_incident (
    inc_date date, inc_no bigint, created timestamp, first_despatch timestamp, first_arrival timestamp,
    closed timestamp, status_code char(1), grade text, open_code text, close_code text, quals text,
    summary text, loc_text text, postcode text, uprn numeric, easting numeric, northing integer, beat text,
    units text, niche_ref text, marking text, restricted boolean, is_deleted boolean, last_updated timestamp,
    caller_name text, caller_phone text, primary key (inc_date, inc_no)
);
create table v_person (
    staff_no text primary key, type text, rank text, rank_type text, rank_until date, surname text,
    forenames text, unit text, station text, station_postcode text, station_e bigint, station_n bigint,
    skills text, duty text, duty_start timestamp, duty_end timestamp, status text,
    ni_number text, bank_account text, salary text, absence_reason text
);
"""
READ_ONLY_ROLE = "reader_of_legacy"


class Legacy:
    """A legacy PostgreSQL database, and the address of a user who may only select the shared columns."""

    def __init__(self, url):
        self.owner_url = url
        self.url = url.replace("://hub@", f"://{READ_ONLY_ROLE}@")
        self.execute(CREATE)
        self.execute(f"drop role if exists {READ_ONLY_ROLE}; create role {READ_ONLY_ROLE} login")
        self.execute(f"grant select on v_person to {READ_ONLY_ROLE}")
        shared = [name for name in self._columns("v_incident") if not name.startswith("caller")]
        self.execute(f"grant select ({', '.join(shared)}) on v_incident to {READ_ONLY_ROLE}")

    def execute(self, statement, values=()):
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            connection.execute(statement, values or None)

    def insert(self, table, **values):
        names = sql.SQL(", ").join(map(sql.Identifier, values))
        marks = sql.SQL(", ").join(sql.Placeholder() * len(values))
        insert = sql.SQL("insert into {} ({}) values ({})").format(sql.Identifier(table), names, marks)
        self.execute(insert, list(values.values()))

    def incident(self, number, at, **values):
        self.insert("v_incident", inc_date="2016-11-01", inc_no=number, last_updated=at, **values)

    def drop_connections(self):
        self.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            f"where usename = '{READ_ONLY_ROLE}' and datname = current_database()"
        )

    def connections(self, state):
        with psycopg.connect(self.owner_url) as connection:
            count = (
                "select count(*) from pg_stat_activity where usename = %s and datname = current_database() "
                "and state = %s"
            )
            return [found for (found,) in connection.execute(count, (READ_ONLY_ROLE, state))]

    def _columns(self, table):
        with psycopg.connect(self.owner_url) as connection:
            select = "select column_name from information_schema.columns where table_name = %s"
            return [name for (name,) in connection.execute(select, (table,))]

    def remove(self):
        self.drop_connections()
        self.execute(f"drop owned by {READ_ONLY_ROLE}; drop role {READ_ONLY_ROLE}")


@pytest.fixture
def legacy(postgres_url):
    legacy = Legacy(postgres_url)
    yield legacy
    legacy.remove()


def test_a_user_who_may_only_select_the_shared_columns_is_enough(bench, legacy):
    legacy.incident(
        1,
        "2016-11-01 12:00:01.25",
        created="2016-11-01 11:59:00",
        uprn=12345678,
        easting="458000.0",
        northing=304000,
        restricted=True,
        status_code="O",
    )
    feed = bench.feed()

    bench.read_database(feed, legacy)

    (event,) = bench.events(feed)
    assert event["key"] == key(1)
    assert {k: v for k, v in event["row"].items() if v is not None} == {
        "INC_DATE": "2016-11-01",
        "INC_NO": 1,
        "CREATED": "2016-11-01 11:59:00",
        "STATUS_CODE": "O",
        "UPRN": "12345678",
        "EASTING": 458000,
        "NORTHING": 304000,
        "RESTRICTED": True,
        "LAST_UPDATED": "2016-11-01 12:00:01.250000",
    }
    assert event["changed_at"] == 1478001601_250000


def test_changes_deletions_and_late_commits_are_found(bench, legacy):
    for number in (1, 2, 3):
        legacy.incident(number, "2016-11-01 12:30:00", grade="1")
    feed = bench.feed(max_removed_percent=50)

    bench.read_database(
        feed,
        legacy,
        lambda: legacy.execute("update v_incident set grade = '2' where inc_no = 1"),
        lambda: legacy.execute("delete from v_incident where inc_no = 2"),
        lambda: legacy.execute(
            "update v_incident set is_deleted = true, last_updated = '2016-11-01 12:30:30' where inc_no = 3"
        ),
        lambda: legacy.incident(4, "2016-11-01 11:45:00"),
    )
    bench.read_database(feed, legacy, lambda: legacy.incident(5, "2016-11-01 12:31:00"))

    assert shape(bench.of(feed, key(1)), "GRADE") == [(1, False, "1"), (2, False, "2")]
    assert [gone for _, gone in shape(bench.of(feed, key(2)))] == [False, True]
    assert [gone for _, gone in shape(bench.of(feed, key(3)))] == [False, True]
    assert len(bench.of(feed, key(4))) == len(bench.of(feed, key(5))) == 1
    assert balanced(bench.counts(feed))


def test_a_transaction_that_commits_after_newer_rows_were_read_is_found(bench, legacy):
    legacy.incident(1, "2016-11-01 12:30:00")
    feed = bench.feed()
    with contextlib.closing(psycopg.connect(legacy.owner_url)) as late:
        late.execute(
            "insert into v_incident (inc_date, inc_no, last_updated) "
            "values ('2016-11-01', 2, '2016-11-01 12:29:59')"
        )

        bench.read_database(feed, legacy, lambda: legacy.incident(3, "2016-11-01 12:30:01"), late.commit)

    assert {e["key"] for e in bench.events(feed)} == {key(1), key(2), key(3)}


def test_people_are_compared_by_snapshots(bench, legacy):
    for number in ("1001", "1002", "1003"):
        legacy.insert("v_person", staff_no=number, rank_until="2027-03-31", salary="46146.46")
    feed = bench.feed("hr", max_removed_percent=50)

    bench.read_database(feed, legacy, lambda: legacy.execute("delete from v_person where staff_no = '1002'"))

    assert [gone for _, gone in shape(bench.of(feed, "1002"))] == [False, True]
    assert bench.of(feed, "1001")[0]["row"]["RANK_UNTIL"] == "2027-03-31"


def test_a_connection_that_breaks_is_made_again_and_nothing_is_lost(bench, legacy):
    legacy.incident(1, "2016-11-01 12:30:00")
    feed = bench.feed()

    def breaks():
        legacy.drop_connections()
        legacy.incident(2, "2016-11-01 12:30:01")

    bench.read_database(feed, legacy, breaks)

    assert {e["key"] for e in bench.events(feed)} == {key(1), key(2)}
    labels = {"stage": "read", "force": "leicestershire", "domain": "incident"}
    assert bench.metrics.registry.get_sample_value("alliance_hub_retries_total", labels) >= 1


def test_a_connection_that_breaks_within_a_snapshot_removes_nobody(bench, legacy):
    legacy.execute(
        "insert into v_person (staff_no) select to_char(n, 'FM00000') from generate_series(1, 2500) n"
    )
    feed = bench.feed("hr")
    bench.read_database(feed, legacy)
    source = open_source(feed, legacy.url, None)

    first = source.read({})
    legacy.drop_connections()
    assert not first.snapshot_ends
    with pytest.raises(TransientError):
        [source.read({"~page": page}) for page in (1, 2, 3)]
    bench.connect(feed, source)

    assert not any(e["deleted"] for e in bench.events(feed))


def test_nothing_is_listening_there(bench):
    source = open_source(bench.feed(), "postgresql://nobody@127.0.0.1:1/none", "secret-word")

    with pytest.raises(TransientError, match="does not answer") as caught:
        source.read({})

    assert "secret-word" not in str(caught.value)
    source.close()


def test_a_renamed_column_stops_the_source_and_tells_its_remedy(bench, legacy):
    legacy.incident(1, "2016-11-01 12:30:00")
    feed = bench.feed()

    with pytest.raises(SourceChangedError, match=r"'V_INCIDENT' .* no column 'GRADE'.*'response_grade'"):
        bench.read_database(
            feed, legacy, lambda: legacy.execute("alter table v_incident rename grade to response_grade")
        )

    assert len(bench.events(feed)) == 1


def test_a_right_that_is_missing_is_named(bench, legacy):
    legacy.execute(f"revoke select (grade) on v_incident from {READ_ONLY_ROLE}")

    with pytest.raises(ConfigurationError, match="Grant this user SELECT"):
        bench.read_database(bench.feed(), legacy)


def test_the_session_itself_refuses_to_write_whatever_the_user_may_do(bench, legacy):
    import sqlalchemy as sa

    from connectors.sources.sql_database import Database

    database = Database("test", "v_incident", ["inc_no"], legacy.owner_url, None)

    with pytest.raises(TransientError, match="ReadOnly"):
        database.fetch(lambda shape: sa.insert(shape.table).values(inc_no=1))  # type: ignore[arg-type, return-value]
    database.close()


def test_no_transaction_is_left_open_between_polls(bench, legacy):
    """A transaction that idles would keep the legacy system from cleaning up behind it."""
    legacy.incident(1, "2016-11-01 12:30:00")
    source = open_source(bench.feed(), legacy.url, None)

    batch = source.read({})
    while batch.more:
        batch = source.read(batch.position)

    assert legacy.connections("idle in transaction") == [0]
    assert legacy.connections("idle") == [1]
    assert source.count() == 1
    source.close()
