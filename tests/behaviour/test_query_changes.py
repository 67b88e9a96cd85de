"""Changes: each record as it stands, in the order of change, none missed and none twice."""

from tests.stores import put, put_records
from tests.view_records import batch, incident, staff


def test_changes_of_all_domains_come_in_the_order_of_their_numbers(store, query):
    put_records(store, "incident", incident("1"))
    put_records(store, "hr", staff("1"))
    put_records(store, "incident", incident("2"))
    changes = query.changes_after(0, 10)
    assert [(c.domain, c.record["source_key"]) for c in changes] == [
        ("incident", "command:1"),
        ("hr", "1"),
        ("incident", "command:2"),
    ]
    assert [c.number for c in changes] == sorted(c.number for c in changes)
    assert changes[-1].number == query.last_change()


def test_going_on_from_the_last_number_gives_what_came_since_and_no_more(store, query):
    put_records(store, "incident", *(incident(str(n)) for n in range(5)))
    seen, after = [], 0
    while changes := query.changes_after(after, 2):
        seen += [c.record["source_key"] for c in changes]
        after = changes[-1].number
    assert seen == [f"command:{n}" for n in range(5)]
    assert query.changes_after(query.last_change(), 10) == []
    put_records(store, "incident", incident("1", 2))
    assert [c.record["source_version"] for c in query.changes_after(after, 10)] == [2]


def test_a_record_changed_several_times_comes_once_as_it_stands(store, query):
    put_records(store, "incident", incident("1"), incident("1", 2), incident("1", 3, deleted=True))
    put_records(store, "incident", incident("2"))
    changes = query.changes_after(0, 10)
    assert [(c.record["source_version"], c.record["deleted"]) for c in changes] == [(3, True), (1, False)]


def test_what_is_superseded_is_no_change(store, query):
    put_records(store, "incident", incident("1", 5))
    after = query.last_change()
    put_records(store, "incident", incident("1", 4), incident("1", 5))
    assert query.changes_after(after, 10) == []


def test_a_late_page_of_changes_is_full_though_most_numbers_were_passed(store, query):
    for version in range(1, 20):
        put_records(store, "incident", incident("busy", version))
    put(store, batch("incident", *(incident(str(n)) for n in range(3))))
    assert [c.record["source_key"] for c in query.changes_after(0, 3)] == [
        "command:busy",
        "command:0",
        "command:1",
    ]
