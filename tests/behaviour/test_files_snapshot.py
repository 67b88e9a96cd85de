"""Snapshot files: everything in one extract, proved whole by its trailer, each force taking its own."""

import pytest

from hub.errors import SourceChangedError
from tests.drops import Folder
from tests.reading import changed, kept, read_all

COLUMNS = ("ORG_CODE", "EMPLOYEE_NUMBER", "LAST_NAME")
HEADER = b"ORG_CODE|EMPLOYEE_NUMBER|NINO|LAST_NAME"
SECRET = b"QQ123456C"


@pytest.fixture
def folder(tmp_path):
    folder = Folder(
        tmp_path, pattern="HR_*.txt", mode="snapshot", whole={"trailer": "TRAILER"}, columns=COLUMNS,
        key=["EMPLOYEE_NUMBER"], delimiter="|", quote="", encoding="utf-8",
        only={"column": "ORG_CODE", "equals": "34", "known": ["31", "34"]},
    )  # fmt: skip
    yield folder
    folder.close()


def person(number, name="Patel", org="34"):
    return b"|".join([org.encode(), str(number).encode(), SECRET, name.encode()])


def extract(folder, name, *lines, count=None, trailer=b"TRAILER|%d"):
    stated = len(lines) if count is None else count
    trailing = [trailer % stated] if trailer else []
    return folder.drop(name, *lines, *trailing, header=HEADER, marked=False)


def test_a_snapshot_ends_with_its_last_row_and_only_there(folder):
    extract(folder, "HR_1.txt", *(person(n) for n in range(2300)))
    read = read_all(folder.source())
    assert len(read.rows) == 2300
    assert len({batch.snapshot for batch in read.batches}) == 1
    assert [batch.snapshot_ends for batch in read.batches] == [False] * (len(read.batches) - 1) + [True]
    assert read.complete_to is not None
    assert SECRET.decode() not in repr(read)


def test_rows_of_the_other_force_are_counted_and_left(folder):
    extract(folder, "HR_1.txt", person(1), person(2, org="31"), person(3, org="99"))
    read = read_all(folder.source())
    assert read.keys == ["1"]
    assert read.other_force == 2
    assert len(read.ended) == 1


def test_the_feed_that_claims_them_refuses_rows_of_no_known_force(folder):
    extract(folder, "HR_1.txt", person(1, org="31"), person(2), person(3, org="99"))
    only = {**folder.feed.source["only"], "equals": "31", "claims_unknown": True}
    read = read_all(folder.source(changed(folder.feed, only=only)))
    assert read.keys == ["1"]
    assert read.other_force == 1
    assert [(refused.raw, refused.reason.partition(";")[0]) for refused in read.refused] == [
        (b"99|3|Patel", "Column 'ORG_CODE' names no known force")
    ]
    assert len(read.ended) == 1  # nobody of this force can be that row


def test_an_extract_without_its_trailer_waits_and_removes_nothing(folder):
    extract(folder, "HR_1.txt", person(1), trailer=b"")
    source = folder.source()
    read = read_all(source)
    assert (read.rows, read.complete_to) == ([], None)
    extract(folder, "HR_1.txt", person(1), person(2))
    assert len(read_all(source, read.position).ended) == 1


def test_a_newer_whole_extract_goes_before_one_that_waits_and_puts_it_aside(folder):
    extract(folder, "HR_1.txt", person(1), trailer=b"")
    extract(folder, "HR_2.txt", person(1), person(2))
    read = read_all(folder.source())
    assert len(read.rows) == 2
    again = read_all(folder.source(), kept(read.position))
    assert again.notes == ["file HR_1.txt is older than HR_2.txt, which is read: left aside."]
    assert again.complete_to is not None


@pytest.mark.parametrize("count", [1, 3])
def test_a_trailer_that_counts_otherwise_stops_the_source_before_anything_is_removed(folder, count):
    extract(folder, "HR_1.txt", person(1), person(2), count=count)
    source = folder.source()
    said = rf"HR_1\.txt says it has {count} rows but has 2.*Ask for it again"
    with pytest.raises(SourceChangedError, match=said):
        read_all(source)


def test_an_extract_marked_whole_without_its_trailer_stops_the_source(folder):
    extract(folder, "HR_1.txt", person(1), trailer=b"")
    folder.mark("HR_1.txt")
    both = changed(folder.feed, whole={"marker": ".done", "trailer": "TRAILER"})
    with pytest.raises(SourceChangedError, match="marked whole, but its last line is not 'TRAILER'"):
        read_all(folder.source(both))


def test_a_snapshot_begins_anew_after_a_kill(folder):
    extract(folder, "HR_1.txt", *(person(n) for n in range(2300)))
    first = folder.source().read({})
    assert first.more
    rest = read_all(folder.source(), kept(first.position))
    assert len(rest.rows) == 2300
    assert len(rest.ended) == 1


def test_a_snapshot_goes_on_where_it_was_within_one_process(folder):
    extract(folder, "HR_1.txt", *(person(n) for n in range(2300)))
    source = folder.source()
    first = source.read({})
    second = source.read(first.position)
    again = read_all(source, dict(first.position))
    assert again.batches[0].rows == second.rows
    assert len(again.rows) == 1300
    assert len(again.ended) == 1


def test_an_older_extract_that_comes_late_is_left_aside_and_said(folder):
    extract(folder, "HR_2.txt", person(1))
    source = folder.source()
    position = read_all(source).position
    extract(folder, "HR_1.txt", person(1, "Old"))
    read = read_all(source, position)
    assert read.rows == []
    assert read.notes == ["file HR_1.txt is older than HR_2.txt, which is read: left aside."]
    assert read.complete_to is not None


def test_an_extract_with_the_bytes_of_the_last_one_brings_nothing(folder):
    extract(folder, "HR_1.txt", person(1))
    source = folder.source()
    position = read_all(source).position
    extract(folder, "HR_2.txt", person(1))
    read = read_all(source, position)
    assert (read.rows, read.ended) == ([], [])
    assert read.position["last"]["name"] == "HR_2.txt"
    assert "holds the same bytes as HR_1.txt" in read.notes[0]


def test_an_extract_with_the_bytes_of_an_earlier_one_is_read_since_people_come_back(folder):
    source, position = folder.source(), kept({})
    for name, people in (("HR_1.txt", [1, 2]), ("HR_2.txt", [1]), ("HR_3.txt", [1, 2])):
        extract(folder, name, *(person(n) for n in people))
        read = read_all(source, position)
        assert (read.keys, len(read.ended)) == ([str(n) for n in people], 1)
        position = read.position


def test_a_refused_line_whose_number_can_be_told_does_not_keep_leavers_in(folder):
    extract(folder, "HR_1.txt", person(1), b"34|2|" + SECRET + b"|\xff\xfe")
    read = read_all(folder.source())
    assert [(refused.key, refused.raw) for refused in read.refused] == [("2", b"34|2|\xff\xfe")]
    assert len(read.ended) == 1


def test_a_refused_line_that_could_be_anyones_makes_a_leaver_of_no_one(folder):
    extract(folder, "HR_1.txt", person(1), b"34|2")
    source = folder.source()
    read = read_all(source)
    assert [refused.raw for refused in read.refused] == [None]
    assert read.ended == []
    assert read.complete_to is None
    assert "1 refused lines could be anyone's: none is removed" in " ".join(read.notes)
    assert read_all(source, read.position).complete_to is None
    extract(folder, "HR_2.txt", person(1))
    mended = read_all(source, read.position)
    assert len(mended.ended) == 1
    assert mended.complete_to is not None


def test_a_bad_line_of_the_other_force_is_the_other_forces(folder):
    extract(folder, "HR_1.txt", person(1), b"31|2|" + SECRET + b"|\xff")
    read = read_all(folder.source())
    assert (read.refused, read.other_force, len(read.ended)) == ([], 1, 1)


def test_an_empty_extract_stops_the_source(folder):
    folder.write("HR_1.txt", b"")
    folder.mark("HR_1.txt")
    marked = changed(folder.feed, whole={"marker": ".done"})
    with pytest.raises(SourceChangedError, match="is empty"):
        folder.source(marked).read({})


def test_an_extract_of_nobody_ends_too(folder):
    """Whether everyone is to be removed is for the guard on mass deletion to ask."""
    extract(folder, "HR_1.txt")
    assert len(read_all(folder.source()).ended) == 1


def test_a_trailer_without_a_line_end_is_taken_once_it_has_stood(folder):
    extract(folder, "HR_1.txt", person(1))
    file = folder.path / "HR_1.txt"
    folder.write("HR_1.txt", file.read_bytes().rstrip())
    source = folder.source()
    assert read_all(source).rows == []
    folder.now += 3
    assert len(read_all(source).ended) == 1


def test_the_count_is_of_the_newest_whole_extract(folder):
    extract(folder, "HR_1.txt", *(person(n) for n in range(5)))
    extract(folder, "HR_2.txt", person(1), person(2), person(3, org="31"))
    extract(folder, "HR_3.txt", person(1), trailer=b"")
    assert folder.source().count() == 2
