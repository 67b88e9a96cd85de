"""The version of a change: the source's own where it states one, else the number of the observation."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.changes import content_hash, next_version
from connectors.state import Known
from tests.connecting import Bench, batch, key, row, shape


def test_a_source_s_own_version_numbers_are_kept_as_they_are(bench):
    feed = bench.feed(version={"number": "VERSION"})

    bench.publish(feed, batch(row(7, "1", version=4)), batch(row(7, "2", version=9)))

    assert shape(bench.of(feed, key(7)), "GRADE") == [(4, False, "1"), (9, False, "2")]


def test_an_older_version_of_a_log_that_repeats_itself_changes_nothing(bench):
    feed = bench.feed(version={"number": "VERSION"})
    page = batch(row(7, "1", version=1), row(7, "2", version=2), row(7, None, version=3, removed=True))

    bench.publish(feed, page, page)

    assert shape(bench.of(feed, key(7)), "GRADE") == [(1, False, "1"), (2, False, "2"), (3, True, None)]
    assert bench.counts(feed)["unchanged"] == 3


def test_other_content_under_the_same_version_number_is_the_next_version(bench):
    feed = bench.feed(version={"number": "VERSION"})

    bench.publish(
        feed, batch(row(7, "1", version=1)), batch(row(7, "2", version=1)), batch(row(7, "3", version=2))
    )

    assert shape(bench.of(feed, key(7)), "GRADE") == [(1, False, "1"), (2, False, "2"), (3, False, "3")]


def test_a_row_that_a_query_shows_under_a_lower_version_was_made_anew(bench):
    feed = bench.feed(version={"number": "VERSION"})

    bench.publish(feed, batch(row(7, "1", version=8)), batch(row(7, "2", version=1), current=True))

    assert shape(bench.of(feed, key(7)), "GRADE") == [(8, False, "1"), (9, False, "2")]


def test_a_row_that_comes_back_in_a_snapshot_under_its_old_version_was_made_anew(bench):
    feed = bench.feed(version={"number": "VERSION"}, max_removed_percent=50)
    others = [row(8, version=1), row(9, version=1)]

    bench.publish(
        feed,
        batch(row(7, "1", version=3), *others, snapshot="a", snapshot_ends=True),
        batch(*others, snapshot="b", snapshot_ends=True),
        batch(row(7, "1", version=3), *others, snapshot="c", snapshot_ends=True),
        batch(row(7, "0", version=2), *others, snapshot="d", snapshot_ends=True),
    )

    assert shape(bench.of(feed, key(7)), "GRADE") == [(3, False, "1"), (4, True, None), (5, False, "1")]


def test_changes_of_one_instant_are_ordered_as_they_were_read(bench):
    feed = bench.feed(version={"time": "CHANGED"})
    at = 1_478_001_600_000_000 * 1000

    bench.publish(
        feed, batch(row(7, "1", version=at), row(7, "2", version=at), row(7, "3", version=at + 1000))
    )

    assert [v for v, *_ in shape(bench.of(feed, key(7)))] == [at, at + 1, at + 1000]


def test_the_same_key_twice_in_a_batch_is_taken_in_order(bench):
    feed = bench.feed()

    bench.publish(feed, batch(row(7, "1"), row(7, "2"), row(7, "2"), row(7, None, removed=True), row(7, "1")))

    assert shape(bench.of(feed, key(7)), "GRADE") == [
        (1, False, "1"), (2, False, "2"), (3, True, None), (4, False, "1"),
    ]  # fmt: skip


def test_removing_what_was_never_there_or_is_gone_already_is_no_event(bench):
    feed = bench.feed()

    bench.publish(feed, batch(row(7, None, removed=True), row(8, "1"), row(8, None, removed=True)))
    bench.publish(feed, batch(position={"place": 1}), batch(row(8, None, removed=True)))

    assert bench.of(feed, key(7)) == []
    assert [gone for _, gone in shape(bench.of(feed, key(8)))] == [False, True]


def test_what_changes_in_a_row_that_stays_deleted_is_a_version(bench):
    feed = bench.feed()
    gone = [row(7, grade, removed=True) for grade in ("2", "3", "3")]

    bench.publish(feed, batch(row(7, "1"), *gone))

    assert shape(bench.of(feed, key(7)), "GRADE") == [(1, False, "1"), (2, True, "2"), (3, True, "3")]


def test_null_absent_and_false_are_three_contents(bench):
    feed = bench.feed()
    null = row(7, "1")
    false = row(7, "1")
    false.values["RESTRICTED"] = False

    bench.publish(feed, batch(null), batch(row(7, "1", absent=("RESTRICTED",))), batch(false))

    assert [(e["source_version"], e["row"]["RESTRICTED"], e["absent"]) for e in bench.of(feed, key(7))] == [
        (1, None, []), (2, None, ["RESTRICTED"]), (3, False, []),
    ]  # fmt: skip


def test_versions_go_on_after_the_newest_though_an_older_event_lies_behind_it(bench):
    feed = bench.feed()
    bench.publish(feed, batch(row(7, "1")), batch(row(7, "2")))
    first = next(iter(bench.bus.read_all(feed.topic)))
    stranger = bench.bus.producer("stranger")
    stranger.begin()
    stranger.send(feed.topic, first.key, first.value)
    stranger.commit()

    bench.publish(feed, batch(), batch(), batch(row(7, "3")))

    assert [version for version, *_ in shape(bench.of(feed, key(7)))] == [1, 2, 1, 3]


def test_versions_go_on_after_the_connector_was_started_anew(bench):
    feed = bench.feed()
    bench.publish(feed, batch(row(7, "1"), row(8, "1")))

    bench.publish(feed, batch(), batch(row(7, "2"), row(8, "1")))

    assert [v for v, *_ in shape(bench.of(feed, key(7)))] == [1, 2]
    assert [v for v, *_ in shape(bench.of(feed, key(8)))] == [1]


def test_a_column_added_last_and_still_empty_is_no_change_of_every_row():
    values = {"A": "1", "B": None}

    assert content_hash(["A", "B"])(values, (), False) == content_hash(["A", "B", "C"])(
        values | {"C": None}, (), False
    )


@given(
    st.lists(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.floats(allow_nan=False)), min_size=2
    ),
    st.data(),
)
def test_only_the_same_content_has_the_same_hash(values, data):
    fields = [f"F{place}" for place in range(len(values))]
    row_values = dict(zip(fields, values, strict=True))
    changed = data.draw(st.sampled_from(fields))
    other = data.draw(st.one_of(st.none(), st.booleans(), st.integers(), st.text()))
    digest = content_hash(fields)

    assert digest(row_values, (), False) == digest(dict(reversed(row_values.items())), (), False)
    assert digest(row_values, (), False) != digest(row_values, (), True)
    same = type(other) is type(row_values[changed]) and other == row_values[changed]
    assert (digest(row_values, (), False) == digest(row_values | {changed: other}, (), False)) is same


@given(
    st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 20)), st.booleans()), max_size=30), st.booleans()
)
def test_versions_of_a_record_only_rise(changes, by_time):
    known = None
    for stated, current in changes:
        version = next_version(stated, known, current=current, by_time=by_time)
        if version is not None:
            assert known is None or version > known.version
            known = Known(version, b"", deleted=False)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["1", "2", None])), max_size=12), st.integers(1, 4)
)
def test_whatever_happens_to_rows_the_last_event_of_each_says_what_the_source_says(
    tmp_path_factory, changes, size
):
    bench = Bench(tmp_path_factory.mktemp("bench"))
    feed = bench.feed(max_bad_percent=100)
    rows = [row(number, grade, removed=grade is None) for number, grade in changes]
    truth = {}
    for number, grade in changes:
        if grade is not None or key(number) in truth:
            truth[key(number)] = grade

    bench.publish(feed, *(batch(*rows[at : at + size]) for at in range(0, len(rows), size)))

    seen = {event["key"]: event for event in bench.events(feed)}
    assert {k: e["row"]["GRADE"] for k, e in seen.items()} == truth
    assert all(e["deleted"] == (e["row"]["GRADE"] is None) for e in seen.values())
    counts = bench.counts(feed)
    assert counts["read"] == len(changes) == counts["published"] + counts["unchanged"]
    bench.close()
