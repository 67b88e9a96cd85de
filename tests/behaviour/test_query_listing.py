"""Lists: what is asked for comes, newest first, page by page, and nothing is missed meanwhile."""

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from hub.errors import BadQueryError
from hub.view.query import Query
from hub.view.store import open_store
from tests.behaviour.test_store_versions import FORCES
from tests.stores import keys, put_records
from tests.view_records import T0, JsonCodec, incident, staff

HOUR = 3_600_000_000


def pages(query, domain="incident", limit=2, between=lambda: None, **asked):
    """Every page of a list; `between` is called after each."""
    cursor = None
    while True:
        page = query.list_records(domain, limit=limit, cursor=cursor, **asked)
        yield page
        between()
        cursor = page.next
        if cursor is None:
            return


def paged(query, **more):
    return [key for page in pages(query, **more) for key in keys(page)]


def test_the_newest_come_first_and_equal_times_in_order_of_their_ids(store, query):
    put_records(
        store,
        "incident",
        incident("old", created=T0 - HOUR),
        incident("b", created=T0),
        incident("new", created=T0 + HOUR),
        incident("a", created=T0),
    )
    assert keys(query.list_records("incident")) == ["new", "b", "a", "old"]
    for limit in (1, 2, 3, 4, 5):
        assert paged(query, limit=limit) == ["new", "b", "a", "old"]


def test_the_last_page_has_no_next_even_when_it_is_full(store, query):
    put_records(store, "incident", incident("1"), incident("2"))
    assert query.list_records("incident", limit=2).next is None
    assert query.list_records("incident", limit=1).next is not None


def test_filters_keep_what_has_one_of_the_values_of_each(store, query):
    put_records(
        store,
        "incident",
        incident("1", force="leicestershire", status="OPEN", grade="PRIORITY"),
        incident("2", force="northamptonshire", status="OPEN", grade="EMERGENCY"),
        incident("3", force="nottinghamshire", status="CLOSED", grade="PRIORITY", area="leicestershire"),
    )

    def asked(**filters):
        return sorted(keys(query.list_records("incident", filters=filters)))

    assert asked(status="OPEN") == ["1", "2"]
    assert asked(status=["OPEN", "CLOSED"], grade="PRIORITY") == ["1", "3"]
    assert asked(force=["leicestershire", "northamptonshire"]) == ["1", "2"]
    assert asked(geographic_force="leicestershire") == ["3"]
    assert asked(force=[]) == []
    assert asked(category="CRIME' OR 1=1 --") == []


def test_a_skill_is_found_among_several_and_not_within_another_word(store, query):
    put_records(
        store,
        "hr",
        staff("1", skills=["PUBLIC_ORDER_1", "TASER"]),
        staff("2", skills=["PUBLIC_ORDER_2"]),
        staff("3"),
    )

    def asked(*skills):
        return sorted(keys(query.list_records("hr", filters={"skill": skills})))

    assert asked("TASER") == ["1"]
    assert asked("PUBLIC_ORDER_2", "TASER") == ["1", "2"]
    assert asked("PUBLIC_ORDER") == []
    assert asked("PUBLIC%") == []
    assert asked("PUBLICXORDER_1") == []
    assert asked() == []


def test_a_box_keeps_what_lies_in_it_and_leaves_out_what_has_no_place(store, query):
    put_records(
        store,
        "incident",
        incident("in", latitude=52.63, longitude=-1.13),
        incident("edge", latitude=52.0, longitude=-1.0),
        incident("north", latitude=53.5, longitude=-1.13),
        incident("nowhere"),
    )
    assert keys(query.list_records("incident", box=(-1.5, 52.0, -1.0, 53.0))) == ["in", "edge"]
    with pytest.raises(BadQueryError, match="no place"):
        query.list_records("hr", box=(-1.5, 52.0, -1.0, 53.0))


def test_a_time_in_the_repeated_hour_is_found_at_either_of_its_instants(store, query):
    put_records(
        store,
        "incident",
        incident("sure", created=T0),
        incident("october", created=T0, latest=T0 + HOUR),
    )

    def asked(since, until):
        return keys(query.list_records("incident", since=since, until=until))

    assert asked(T0, T0) == ["sure", "october"]
    assert asked(T0 + HOUR, None) == ["october"]
    assert asked(T0 + HOUR + 1, None) == []
    assert asked(None, T0 - 1) == []


def test_without_a_time_of_creation_a_record_stays_where_its_first_reading_put_it(store, query):
    put_records(store, "incident", incident("1", created=None, read_at=T0 + 1))
    put_records(store, "incident", incident("2", created=T0 + 2))
    put_records(store, "incident", incident("1", 2, created=None, read_at=T0 + 9))
    assert keys(query.list_records("incident")) == ["2", "1"]
    assert keys(query.list_records("incident", since=T0 + 2)) == ["2"]
    put_records(store, "incident", incident("1", 3, created=T0 + 5, read_at=T0 + 10))
    assert keys(query.list_records("incident")) == ["1", "2"]


def test_a_record_that_moves_up_while_it_is_paged_is_not_missed(store, query):
    put_records(store, "incident", *(incident(str(n), created=T0 + n) for n in range(6)))
    moved = iter([incident("0", 2, created=T0 + HOUR), incident("1", 2, created=T0 + HOUR)])

    def between():
        for record in moved:
            put_records(store, "incident", record)
            return

    assert sorted(paged(query, limit=2, between=between)) == ["0", "1", "2", "3", "4", "5"]


def test_records_that_change_without_moving_come_once(store, query):
    put_records(store, "incident", *(incident(str(n), created=T0 + n) for n in range(5)))
    version = iter(range(2, 10))

    def between():
        put_records(store, "incident", *(incident(str(n), next(version), created=T0 + n) for n in (0, 4)))

    assert paged(query, limit=2, between=between) == ["4", "3", "2", "1", "0"]


def test_staff_come_once_though_every_reading_is_a_new_version(store, query):
    put_records(store, "hr", *(staff(str(n), read_at=T0 + n) for n in range(5)))
    version = iter(range(2, 10))

    def between():
        number = next(version)
        put_records(store, "hr", *(staff(str(n), number, read_at=T0 + HOUR * number) for n in range(5)))

    assert paged(query, domain="hr", limit=2, between=between) == ["4", "3", "2", "1", "0"]


def test_a_page_is_of_one_moment_though_a_record_moves_between_its_questions(store_url, store, query):
    put_records(store, "incident", *(incident(str(n), created=T0 + n) for n in range(4)))
    cursor = query.list_records("incident", limit=2).next
    moving = [incident("0", 2, created=T0 + HOUR)]

    def move(_connection, _cursor, statement, *_):
        if "sort_micros" in statement and moving:
            put_records(store, "incident", moving.pop())

    reader = open_store(store_url)
    event.listen(reader._engine, "before_cursor_execute", move)
    page = Query(reader, JsonCodec()).list_records("incident", limit=5, cursor=cursor)
    reader.close()
    assert moving == []
    assert keys(page) == ["1", "0"]


changes = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 20)), max_size=4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 4), rounds=st.lists(changes, max_size=8))
def test_whatever_changes_meanwhile_every_record_that_stayed_is_on_a_page(store, limit, rounds):
    force, query = next(FORCES), Query(store, JsonCodec())
    put_records(store, "incident", *(incident(str(n), force=force, created=T0 + n) for n in range(8)))
    version, left = iter(range(2, 1000)), iter(rounds)

    def between():
        for number, created in next(left, ()):
            record = incident(str(number), next(version), force=force, created=T0 + created)
            put_records(store, "incident", record)

    found = paged(query, limit=limit, between=between, filters={"force": force})
    assert set(found) == set("01234567")


def test_a_page_of_another_list_is_refused(store, query):
    put_records(store, "incident", incident("1"), incident("2"))
    cursor = query.list_records("incident", limit=1).next
    for other in (
        {"filters": {"status": "OPEN"}},
        {"since": 1},
        {"box": (0, 0, 1, 1)},
        {"include_deleted": True},
    ):
        with pytest.raises(BadQueryError, match="another list"):
            query.list_records("incident", limit=1, cursor=cursor, **other)
    with pytest.raises(BadQueryError, match="another list"):
        query.list_records("hr", limit=1, cursor=cursor)


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "%%%", "bm9uc2Vuc2U", "W10", "e30", "bnVsbA", "/" * 7, "é", "AAAA" * 1000],
)
def test_a_cursor_that_cannot_be_read_is_refused(query, cursor):
    with pytest.raises(BadQueryError, match="begin anew without a cursor"):
        query.list_records("incident", cursor=cursor)


@pytest.mark.parametrize(
    "damage",
    [[None, 1, 1, "x", 0], [1.5, 1, "x", 0], [1, "1", "x", 0], [1, 1 << 70, "x", 0], [1, 1, "\0", 0]],
)
def test_a_cursor_that_was_tampered_with_is_refused(store, query, damage):
    put_records(store, "incident", incident("1"), incident("2"))
    cursor = query.list_records("incident", limit=1).next
    mark = json.loads(base64.urlsafe_b64decode(cursor + "=="))[0]
    forged = base64.urlsafe_b64encode(json.dumps([mark, *damage]).encode()).decode()
    with pytest.raises(BadQueryError):
        query.list_records("incident", limit=1, cursor=forged)


@pytest.mark.parametrize("filters", [{"staus": "OPEN"}, {"latitude": "1"}, {"body": "x"}, {"id": "x"}])
def test_an_unknown_filter_is_refused_with_those_that_are_known(query, filters):
    with pytest.raises(BadQueryError, match=r"no filter of incidents; these are: .*status"):
        query.list_records("incident", filters=filters)


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_a_character_that_no_record_holds_is_refused_on_every_store(query, value):
    with pytest.raises(BadQueryError, match="no record can hold"):
        query.list_records("incident", filters={"status": value})
    assert query.get("incident", value) is None
    assert query.history("incident", value) == []


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_limit_outside_its_bounds_is_refused(query, limit):
    with pytest.raises(BadQueryError, match="limit"):
        query.list_records("incident", limit=limit)
