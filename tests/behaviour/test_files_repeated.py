"""Append files that come late, repeat another or are written anew, and what is remembered of them."""

import os

import pytest

from connectors.sources.places import in_words
from tests.drops import Folder
from tests.reading import changed, kept, read_all


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path)
    yield folder
    folder.close()


def test_a_drop_that_comes_late_is_held_because_it_could_undo_newer_rows(folder):
    folder.drop("INC_2.csv", b"1,01/11/2016,N,new")
    source = folder.source()
    position = read_all(source).position
    folder.drop("INC_1.csv", b"1,01/11/2016,N,old")
    folder.drop("INC_3.csv", b"3,01/11/2016,N,newer")
    read = read_all(source, position)
    assert [row.values["Text"] for row in read.rows] == ["newer"]
    assert read.complete_to is None
    assert "INC_1.csv sorts before others that are read" in read.notes[0]
    willing = folder.source(changed(folder.feed, late="read"))
    assert [row.values["Text"] for row in read_all(willing, read.position).rows] == ["old"]


def test_a_copy_or_a_touched_drop_is_not_held_after_a_restart(folder):
    first = folder.drop("INC_1.csv", b"1,01/11/2016,N,a")
    folder.drop("INC_2.csv", b"1,01/11/2016,N,a")
    folder.drop("INC_3.csv", b"3,01/11/2016,N,a")
    position = read_all(folder.source()).position
    os.utime(first, (1, 1))
    for _ in range(2):
        read = read_all(folder.source(), kept(position))
        assert read.rows == []
        assert read.complete_to is not None
        position = read.position


def test_a_drop_that_says_again_what_an_earlier_one_said_is_read_since_records_go_back(folder):
    source, position = folder.source(), kept({})
    for number, text in enumerate((b"a", b"b", b"a", b"a")):
        folder.drop(f"INC_{number}.csv", b"1,01/11/2016,U," + text)
        read = read_all(source, position)
        assert [row.values["Text"].encode() for row in read.rows] == ([text] if number < 3 else [])
        position = read.position
    assert read_all(folder.source(), kept(position)).notes == []  # nothing is told again after a restart


def test_a_drop_of_one_name_is_read_each_time_its_content_changes(folder):
    position = kept({})
    for written, text in enumerate((b"a", b"b", b"a")):
        os.utime(folder.drop("INC_.csv", b"1,01/11/2016,U," + text), (written, written))
        read = read_all(folder.source(), kept(position))
        assert [row.values["Text"].encode() for row in read.rows] == [text]
        position = read.position
    os.utime(folder.path / "INC_.csv", (9, 9))
    assert read_all(folder.source(), kept(position)).all == []


def test_a_copy_that_sorts_before_others_is_left_unread_and_told_counted_and_read_once_it_sorts_last(folder):
    for number, text in enumerate((b"a", b"b")):
        folder.drop(f"INC_{number}.csv", b"1,01/11/2016,U," + text)
    position = read_all(folder.source()).position
    folder.drop("INC_0_copy.csv", b"1,01/11/2016,U,a")
    read = read_all(folder.source(), kept(position))
    assert read.rows == []
    assert read.complete_to is not None
    assert [batch.copies for batch in read.batches] == [1]
    (note,) = read.notes
    assert "holds the same bytes as INC_0.csv, which is read: it is left unread. Should it be newer" in note
    assert in_words(folder.feed, read.position) == [
        "2 files read to their end, the last of them INC_1.csv",
        "left unread, each with the bytes of another: INC_0_copy.csv",
    ]
    assert read_all(folder.source(), kept(read.position)).notes == []
    folder.drop("INC_2.csv", b"1,01/11/2016,U,a")
    assert [row.values["Text"] for row in read_all(folder.source(), kept(read.position)).rows] == ["a"]


def test_what_was_read_long_ago_and_has_gone_is_forgotten(folder):
    folder.drop("INC_1.csv", b"1,01/11/2016,N,")
    folder.drop("INC_2.csv", b"2,01/11/2016,N,")
    source = folder.source()
    position = read_all(source).position
    assert len([name for name in position if name.startswith("done/")]) == 2
    (folder.path / "INC_1.csv").unlink()
    folder.now += 91 * 86_400
    folder.drop("INC_3.csv", b"3,01/11/2016,N,")
    position = read_all(source, position).position
    names = sorted(entry["name"] for key, entry in position.items() if key.startswith("done/"))
    assert names == ["INC_2.csv", "INC_3.csv"]


def test_of_a_drop_written_over_again_and_again_what_it_said_long_ago_is_forgotten(folder):
    position = kept({})
    for day in range(3):
        os.utime(folder.drop("INC_.csv", b"%d,01/11/2016,N," % day), (day, day))
        folder.now += 91 * 86_400
        position = kept(read_all(folder.source(), position).position)
    folder.now += 91 * 86_400
    position = read_all(folder.source(), position).position
    assert [entry["name"] for key, entry in position.items() if key.startswith("done/")] == ["INC_.csv"]
    assert read_all(folder.source(), kept(position)).all == []


def test_what_was_read_lately_and_has_gone_is_known_when_it_comes_again(folder):
    file = folder.drop("INC_1.csv", b"1,01/11/2016,N,")
    source = folder.source()
    position = read_all(source).position
    file.unlink()
    folder.now += 80 * 86_400
    position = read_all(source, position).position
    folder.drop("INC_2.csv", b"1,01/11/2016,N,")
    assert read_all(source, position).rows == []
