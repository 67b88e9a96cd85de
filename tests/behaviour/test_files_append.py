"""Append files: each drop once, whole, in order of name, line by line."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.source import Row
from connectors.sources.files import FilesSource
from tests.drops import HEADER, Folder
from tests.reading import changed, kept, read_all


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path)
    yield folder
    folder.close()


def test_marked_drops_are_read_once_in_order_of_name(folder):
    folder.drop("INC_20161102.csv", b"2,02/11/2016,N,second")
    folder.drop("INC_20161101.csv", b"1,01/11/2016,N,first", b"7,01/11/2016,N,")
    source = folder.source()
    read = read_all(source)
    assert [row.values["Text"] for row in read.rows] == ["first", "", "second"]
    assert read.keys == ["01%2F11%2F2016:1", "01%2F11%2F2016:7", "02%2F11%2F2016:2"]
    assert read.rows[1].place == "file INC_20161101.csv, line 3"
    assert read.complete_to == int(folder.now * 1e6)
    assert read_all(source, read.position).rows == []
    assert read_all(folder.source(), kept(read.position)).rows == []


def test_a_drop_is_left_until_its_marker_is_there_and_so_is_what_comes_after_it(folder):
    folder.drop("INC_1.csv", b"1,01/11/2016,N,", marked=False)
    folder.drop("INC_2.csv", b"2,01/11/2016,N,")
    source = folder.source()
    read = read_all(source)
    assert read.rows == []
    assert read.complete_to is None
    assert read.notes == ["file INC_1.csv waits for its marker INC_1.csv.done."]
    folder.mark("INC_1.csv")
    again = read_all(source, read.position)
    assert [row.values["Log_No"] for row in again.rows] == ["1", "2"]
    assert again.complete_to is not None


def test_a_cancel_line_is_a_removal_and_keeps_its_row(folder):
    folder.drop("INC_1.csv", b"1,01/11/2016,N,a", b"1,01/11/2016,X,a")
    first, second = read_all(folder.source()).rows
    assert (first.removed, second.removed) == (False, True)
    assert second.values["Text"] == "a"


def test_a_killed_connector_goes_on_at_the_next_line(folder):
    folder.drop("INC_1.csv", *(b"%d,01/11/2016,N," % n for n in range(2500)))
    first = folder.source().read({})
    assert first.more
    assert len(first.rows) == 1000
    rest = read_all(folder.source(), kept(first.position))
    numbers = [int(row.values["Log_No"]) for row in (*first.rows, *rest.rows)]
    assert numbers == list(range(2500))
    assert rest.rows[0].place == "file INC_1.csv, line 1002"


def test_after_an_error_further_on_the_same_lines_come_again(folder):
    folder.drop("INC_1.csv", *(b"%d,01/11/2016,N," % n for n in range(2500)))
    source = folder.source()
    first = source.read({})
    second = source.read(first.position)
    assert source.read(dict(first.position)).rows == second.rows


def test_many_small_drops_come_in_one_batch(folder):
    for n in range(30):
        folder.drop(f"INC_{n:02}.csv", b"%d,01/11/2016,N," % n)
    batch = folder.source().read({})
    assert len(batch.rows) == 30
    assert not batch.more
    assert batch.complete_to is not None


def test_good_drops_are_published_before_a_changed_one_stops_the_source(folder):
    folder.drop("INC_1.csv", b"1,01/11/2016,N,")
    folder.drop("INC_2.csv", b"2", header=b"Log Number")
    source = folder.source()
    batch = source.read({})
    assert len(batch.rows) == 1
    with pytest.raises(Exception, match=r"INC_2\.csv has no column 'Log No'"):
        source.read(batch.position)


def test_a_column_that_is_not_in_the_schema_is_named_once_and_appears_nowhere(folder):
    header = HEADER + b",Informant"
    folder.drop("INC_1.csv", b"1,01/11/2016,N,a,Jane Doe", b"2,01/11/2016,\x81,b,Jane Doe", header=header)
    folder.drop("INC_2.csv", b"3,01/11/2016,N,a,Jane Doe", b"4,Jane Doe", header=header)
    read = read_all(folder.source())
    assert len(read.rows) == 2
    assert [refused.raw for refused in read.refused] == [b"2,01/11/2016,\x81,b", None]
    assert read.refused[1].length == len(b"4,Jane Doe\r\n")
    assert read.notes == ["file INC_1.csv has columns that are not asked for and not read: Informant."]
    assert "Jane Doe" not in repr(read)


def test_a_drop_read_in_part_is_read_to_its_end_before_one_that_came_meanwhile(folder):
    folder.drop("INC_2.csv", *(b"%d,01/11/2016,N," % n for n in range(1500)))
    position = kept(folder.source().read({}).position)
    folder.drop("INC_1.csv", b"7,01/11/2016,N,older")
    read = read_all(folder.source(), position)
    assert [row.values["Log_No"] for row in read.rows] == [str(n) for n in range(1000, 1500)]
    (note,) = read.notes
    assert "INC_1.csv sorts before others that are read" in note


def test_a_drop_held_back_and_not_whole_holds_no_other_up(folder):
    folder.drop("INC_2.csv", b"2,01/11/2016,N,")
    source = folder.source()
    position = read_all(source).position
    folder.drop("INC_1.csv", b"1,01/11/2016,N,", marked=False)
    folder.drop("INC_3.csv", b"3,01/11/2016,N,")
    assert len(read_all(source, position).rows) == 1


def test_a_drop_that_grew_after_it_was_read_is_read_again(folder):
    folder.drop("INC_1.csv", b"1,01/11/2016,N,a")
    source = folder.source()
    position = read_all(source).position
    folder.drop("INC_1.csv", b"1,01/11/2016,N,a", b"2,01/11/2016,N,b")
    assert len(read_all(source, position).rows) == 2


def test_an_empty_drop_brings_nothing_and_holds_nothing_up(folder):
    folder.write("INC_1.csv", b"")
    folder.mark("INC_1.csv")
    folder.drop("INC_2.csv")
    folder.drop("INC_3.csv", b"1,01/11/2016,N,")
    read = read_all(folder.source())
    assert len(read.rows) == 1
    assert read.complete_to is not None


def test_a_row_without_a_number_has_no_key(folder):
    folder.drop("INC_1.csv", b" ,01/11/2016,N,")
    assert read_all(folder.source()).keys == [None]


def test_a_folder_that_takes_long_to_list_is_not_listed_all_the_time(folder):
    class Slow:
        """A clock that goes on by a second whenever it is looked at."""

        now = 1000.0

        def __call__(self):
            self.now += 1
            return self.now

    source = FilesSource(folder.feed, str(folder.path), None, ticks=Slow())
    assert source.read({}).complete_to is not None
    folder.drop("INC_1.csv", b"1,01/11/2016,N,")
    waited = 0
    while not (batch := source.read({})).rows:
        assert batch.complete_to is None
        waited += 1
    source.close()
    assert 2 <= waited <= 10


def test_stable_files_are_read_once_they_have_stayed_the_same_long_enough(folder):
    stable = changed(folder.feed, whole={"stable_seconds": 5})
    source = folder.source(stable)
    folder.drop("INC_1.csv", b"1,01/11/2016,N,", marked=False)
    assert read_all(source).rows == []
    folder.now += 4
    folder.drop("INC_1.csv", b"1,01/11/2016,N,", b"2,01/11/2016,N,", marked=False)
    assert read_all(source).rows == []
    folder.now += 4.9
    assert read_all(source).rows == []
    folder.now += 0.2
    assert len(read_all(source).rows) == 2


def test_the_files_own_count_leaves_cancelled_and_repeated_keys_out(folder):
    folder.drop("INC_1.csv", b"1,01/11/2016,N,a", b"2,01/11/2016,N,", b"1,01/11/2016,U,b")
    folder.drop("INC_2.csv", b"2,01/11/2016,X,", b'3,01/11/2016,N,"x\r\ny"')
    assert folder.source().count() == 2


def test_a_column_may_number_the_versions(folder):
    folder.drop("INC_1.csv", b"7,01/11/2016,N,a", b"eight,01/11/2016,N,a")
    read = read_all(folder.source(changed(folder.feed, version={"number": "Log No"})))
    assert read.rows[0].version == 7
    assert read.refused[0].reason == "Its version is not a whole number; mend it in the source."
    assert read.refused[0].raw == b"eight,01/11/2016,N,a\r\n"


TEXTS = st.text(st.characters(codec="cp1252", exclude_characters="\0"), max_size=8)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=12)


def line_of(fields):
    out = io.StringIO(newline="")
    csv.writer(out).writerow(fields)
    return out.getvalue().removesuffix("\r\n").encode("cp1252")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(rows=ROWS, data=st.data())
def test_any_split_of_the_rows_over_drops_and_batches_gives_the_same_rows(tmp_path_factory, rows, data):
    folder = Folder(tmp_path_factory.mktemp("split"))
    lines = [line_of((str(n), "01/11/2016", *texts[:2])) for n, texts in enumerate(rows)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=4)))
    position, found = kept({}), list[Row]()
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(lines)], strict=True)):
        folder.drop(f"INC_{number}.csv", *lines[start:end], end=data.draw(st.sampled_from([b"\n", b"\r\n"])))
        read = read_all(folder.source(), kept(position))
        assert read.refused == []
        position, found = read.position, found + read.rows
    assert [row.values["Log_No"] for row in found] == [str(n) for n in range(len(lines))]
    assert [(row.values["Action"], row.values["Text"]) for row in found] == [texts[:2] for texts in rows]
    folder.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.data(), rows=st.integers(1, 12))
def test_a_drop_may_be_written_in_any_pieces_and_is_read_whole_or_not_at_all(tmp_path_factory, data, rows):
    folder = Folder(tmp_path_factory.mktemp("pieces"))
    whole = b"\r\n".join([HEADER, *(b"%d,01/11/2016,N," % n for n in range(rows)), b""])
    source, position = folder.source(), kept({})
    for cut in sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5))):
        folder.write("INC_1.csv", whole[:cut])
        read = read_all(source, position)
        assert read.rows == []
        position = read.position
    folder.write("INC_1.csv", whole)
    folder.mark("INC_1.csv")
    assert len(read_all(source, position).rows) == rows
    folder.close()
