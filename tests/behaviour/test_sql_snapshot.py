"""A table that tells nothing of its changes: they are found by comparing snapshots."""

import pytest

from connectors.sources import open_source
from tests.connecting import PEOPLE, Legacy, balanced, shape


@pytest.fixture
def legacy(tmp_path):
    legacy = Legacy(tmp_path / "legacy.db")
    for number in ("1001", "1002", "1003"):
        legacy.person(number, DUTY="ON", SKILLS="TASER=2026-12-01", NI_NUMBER="QQ465461C", SALARY="46146.46")
    return legacy


def change(legacy, number, **values):
    sets = ", ".join(f"{name} = ?" for name in values)
    legacy.execute((f"update {PEOPLE} set {sets} where STAFF_NO = ?", (*values.values(), number)))


def test_changes_and_leavers_are_found_and_each_is_one_event(bench, legacy):
    feed = bench.feed("hr", max_removed_percent=50)

    bench.read_database(
        feed,
        legacy,
        lambda: change(legacy, "1001", DUTY="OFF"),
        lambda: change(legacy, "1001", DUTY="ON"),
        lambda: legacy.execute(f"delete from {PEOPLE} where STAFF_NO = '1002'"),
    )

    duties = [(1, False, "ON"), (2, False, "OFF"), (3, False, "ON")]
    assert shape(bench.of(feed, "1001"), "DUTY") == duties
    assert shape(bench.of(feed, "1002"), "DUTY") == [(1, False, "ON"), (2, True, None)]
    assert shape(bench.of(feed, "1003"), "DUTY") == [(1, False, "ON")]
    assert bench.events(feed)[0]["record_id"].startswith("urn:alliance:staff:leicestershire:100")
    counts = bench.counts(feed)
    assert (counts["published"], counts["derived"]) == (6, 1)
    assert balanced(counts)


def test_what_must_not_be_shared_is_in_no_topic(bench, legacy):
    legacy.person(None, NI_NUMBER="QQ465461C", BANK_ACCOUNT="40046146")
    feed = bench.feed("hr")

    bench.read_database(feed, legacy)

    assert len(bench.dead_letters(feed)) == 1
    for topic in bench.bus.describe_topics():
        for record in bench.bus.read_all(topic):
            text = b"".join([record.key or b"", record.value or b"", *(v for _, v in record.headers)])
            for planted in (b"QQ465461C", b"46146.46", b"40046146"):
                assert planted not in text


def test_an_emptied_table_removes_nobody_until_a_person_accepts(bench, legacy):
    feed = bench.feed("hr", max_removed_percent=100)

    bench.read_database(
        feed,
        legacy,
        lambda: legacy.execute(f"delete from {PEOPLE}"),
        until=[lambda: len(bench.events(feed)) == 3, lambda: True],
    )

    assert not any(e["deleted"] for e in bench.events(feed))


def test_a_table_of_many_pages_is_one_snapshot(bench, legacy):
    rows = [(f"insert into {PEOPLE} (STAFF_NO, DUTY) values (?, 'ON')", (f"{n:05}",)) for n in range(2500)]
    legacy.execute(*rows)
    feed = bench.feed("hr")

    bench.read_database(
        feed, legacy, lambda: legacy.execute(f"delete from {PEOPLE} where STAFF_NO = '00007'")
    )

    assert len({e["key"] for e in bench.events(feed)}) == 2503
    assert [e["key"] for e in bench.events(feed) if e["deleted"]] == ["00007"]


def test_each_snapshot_proves_how_far_the_feed_is_complete(bench, legacy):
    feed = bench.feed("hr")
    bench.read_database(feed, legacy)
    first = bench.positions(feed).complete_to

    bench.read_database(feed, legacy)

    assert bench.positions(feed).complete_to > first
    assert bench.counts(feed)["published"] == 3


def test_the_legacy_system_counts_its_own_rows(legacy, bench):
    feed = bench.feed("hr")
    source = open_source(feed, legacy.url, None)

    assert source.count() == 3
    source.close()
