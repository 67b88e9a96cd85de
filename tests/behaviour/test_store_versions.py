"""The newest version of a record wins, whatever came in which order and how often."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.view.query import Query
from tests.stores import keys, put, put_records
from tests.view_records import JsonCodec, batch, incident, staff

FORCES = (f"force-{n}" for n in itertools.count())

versions = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 5), st.integers(1, 2), st.booleans()), min_size=1
)
cuts = st.lists(st.integers(0, 30), max_size=4)


def _content(number, mapping):
    """Whether a version is a deletion is part of it: the same version always says the same."""
    return (number * 7 + mapping) % 3 == 0


def _expected(changes):
    """Apply one at a time, as the definition has it: what is current, and how many were applied."""
    current: dict[str, tuple[int, int]] = {}
    applied = 0
    for key, number, mapping, _ in changes:
        if key not in current or (number, mapping) > current[key]:
            current[key] = (number, mapping)
            applied += 1
    return current, applied


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=versions, cuts=cuts)
def test_versions_in_any_order_with_duplicates_leave_the_newest_and_every_one_in_the_history(
    store, changes, cuts
):
    force, query = next(FORCES), Query(store, JsonCodec())
    records = [
        incident(key, number, force=force, mapping=mapping, deleted=_content(number, mapping))
        for key, number, mapping, _ in changes
    ]
    for start, end in itertools.pairwise([0, *sorted(c for c in cuts if c < len(records)), len(records)]):
        put_records(store, "incident", *records[start:end])
    current, applied = _expected(changes)
    live = {key for key, version in current.items() if not _content(*version)}

    page = query.list_records("incident", filters={"force": force}, include_deleted=True)
    found = {
        i.record["source_key"][-1]: (i.record["source_version"], i.record["mapping_version"])
        for i in page.items
    }
    assert found == current
    listed = query.list_records("incident", filters={"force": force})
    assert {item.record["source_key"][-1] for item in listed.items} == live
    for key in current:
        history = query.history("incident", records[0]["id"][:-1] + key)
        known = {(number, mapping) for k, number, mapping, _ in changes if k == key}
        assert [(v.source_version, v.mapping_version) for v in history] == sorted(known, reverse=True)
        assert history[0].change_number is not None
    counts = query.counts()["incident"][force]
    assert counts == {
        "received": len(changes),
        "applied": applied,
        "superseded": len(changes) - applied,
        "dead_lettered": 0,
        "erased": 0,
        "visible": len(live),
        "deleted": len(current) - len(live),
    }


def test_a_deletion_hides_the_record_and_its_creation_anew_shows_it_again(store, query):
    record_id = incident()["id"]
    put_records(store, "incident", incident(version=1))
    put_records(store, "incident", incident(version=2, deleted=True))
    assert query.list_records("incident").items == []
    deleted = query.get("incident", record_id)
    assert deleted is not None
    assert deleted.record["deleted"] is True
    put_records(store, "incident", incident(version=3))
    assert [i.record["source_version"] for i in query.list_records("incident").items] == [3]
    assert [v.record["deleted"] for v in query.history("incident", record_id)] == [False, True, False]


def test_a_mended_mapping_replaces_the_record_without_a_new_source_version(store, query):
    put_records(store, "incident", incident(version=4, mapping=1, category="UNKNOWN"))
    put_records(store, "incident", incident(version=4, mapping=2, category="CRIME"))
    put_records(store, "incident", incident(version=4, mapping=1, category="UNKNOWN"))
    assert [i.record["mapping_version"] for i in query.list_records("incident").items] == [2]


def test_a_version_that_was_never_the_newest_is_in_the_history_without_a_change_number(store, query):
    put_records(store, "incident", incident(version=3), incident(version=1))
    put_records(store, "incident", incident(version=2))
    numbers = {v.source_version: v.change_number for v in query.history("incident", incident()["id"])}
    assert numbers[3] is not None
    assert (numbers[1], numbers[2]) == (None, None)


def test_every_applied_version_has_a_change_number_of_its_own_and_they_rise(store, query):
    put(store, batch("incident", *(incident(version=n) for n in (1, 2, 3))), batch("hr", staff()))
    put_records(store, "hr", *(staff(version=n) for n in (2, 3, 4)))
    numbers = [v.change_number for v in query.history("incident", incident()["id"])][::-1]
    numbers += [v.change_number for v in query.history("hr", staff()["id"])][::-1]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0
    assert numbers[-1] <= query.last_change()


def test_history_keeps_the_bytes_as_they_came(store, query):
    first = incident(version=1, summary="as first told")
    put_records(store, "incident", first, incident(version=2, summary="as corrected"))
    put_records(store, "incident", first)
    assert query.history("incident", first["id"])[1].record == first


def test_an_erased_record_is_gone_with_its_history(store, query):
    put_records(store, "incident", incident("1"), incident("1", 2), incident("2"))
    put(store, batch("incident", erased=[incident("1")["id"]]))
    assert query.get("incident", incident("1")["id"]) is None
    assert query.history("incident", incident("1")["id"]) == []
    assert query.get("incident", incident("2")["id"]) is not None


@pytest.mark.parametrize("count", [1, 1500])
def test_a_batch_of_any_size_is_applied(store, query, count):
    put_records(store, "incident", *(incident(str(n)) for n in range(count)))
    assert query.counts()["incident"]["leicestershire"]["visible"] == count


def test_batches_of_one_domain_in_one_transaction_are_applied_in_their_order(store, query):
    put(
        store,
        batch("incident", incident("1"), incident("2")),
        batch("incident", incident("1", 2), incident("3"), counted=False),
        batch("incident", incident("1", 3), incident("2")),
    )
    assert [v.source_version for v in query.history("incident", incident("1")["id"])] == [3, 2, 1]
    assert keys(query.list_records("incident")) == ["3", "2", "1"]
    counts = query.counts()["incident"]["leicestershire"]
    assert (counts["applied"], counts["superseded"]) == (3, 1)
