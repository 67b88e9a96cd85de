"""Bad files: what is not whole waits, what changed stops, what is no news brings nothing."""

import pytest

from connectors.sources.folder import LocalFolder
from hub.errors import SourceChangedError, TransientError
from tests.drops import HEADER, Folder
from tests.reading import changed, kept, read_all

LINE = b"1,01/11/2016,N,a"


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path)
    yield folder
    folder.close()


def test_a_header_that_changed_stops_and_says_what_to_do(folder):
    folder.drop("INC_1.csv", LINE, header=HEADER.replace(b"Log Date", b"Date"))
    with pytest.raises(SourceChangedError) as raised:
        folder.source().read({})
    message = str(raised.value)
    assert "file INC_1.csv has no column 'Log Date'. Ask for it, or give its new name in" in message
    assert str(folder.feed.schema) in message
    assert str(folder.feed.file) in message


def test_a_column_that_stands_twice_stops(folder):
    folder.drop("INC_1.csv", LINE + b",b", header=HEADER + b",Text")
    with pytest.raises(SourceChangedError, match="more than one column 'Text'"):
        folder.source().read({})


def test_a_column_more_is_not_read(folder):
    folder.drop("INC_1.csv", LINE + b",b", header=HEADER + b",Mood")
    read = read_all(folder.source())
    assert read.notes == ["file INC_1.csv has columns that are not asked for and not read: Mood."]
    assert set(read.rows[0].values) == {"Log_No", "Log_Date", "Action", "Text"}


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ((HEADER + b"\n").decode().encode("utf-8-sig"), 'encoding = "utf-8-sig"'),
        ((HEADER + b"\n").decode().encode("utf-16"), 'encoding = "utf-16"'),
    ],
)
def test_a_file_of_another_encoding_stops_with_a_hint(folder, content, hint):
    folder.write("INC_1.csv", content)
    folder.mark("INC_1.csv")
    with pytest.raises(SourceChangedError, match=hint):
        folder.source().read({})


def test_a_file_without_the_byte_order_mark_it_needs_stops(folder):
    folder.drop("INC_1.csv", LINE)
    with pytest.raises(SourceChangedError, match="without the byte order mark of utf-16; set `encoding`"):
        folder.source(changed(folder.feed, encoding="utf-16")).read({})


def test_a_file_still_being_written_waits(folder):
    whole = HEADER + b"\r\n" + LINE + b"\r\n"
    source, position = folder.source(), kept({})
    for length in (0, 10, len(HEADER), len(whole) - 3, len(whole)):
        folder.write("INC_1.csv", whole[:length])
        read = read_all(source, position)
        assert (read.rows, read.refused, read.complete_to) == ([], [], None)
        position = read.position
    folder.mark("INC_1.csv")
    assert len(read_all(source, position).rows) == 1


def test_a_half_written_last_line_waits_where_only_time_tells_that_a_file_is_whole(folder):
    source = folder.source(changed(folder.feed, whole={"stable_seconds": 5}))
    folder.write("INC_1.csv", HEADER + b"\r\n" + LINE)
    read_all(source)
    folder.now += 60
    read = read_all(source)
    assert read.rows == []
    assert read.notes == ["file INC_1.csv waits for the end of its last line."]
    folder.write("INC_1.csv", HEADER + b"\r\n" + LINE + b"bc\r\n")
    read_all(source)
    folder.now += 6
    assert [row.values["Text"] for row in read_all(source).rows] == ["abc"]


def test_a_whole_file_may_lack_the_last_line_end(folder):
    folder.write("INC_1.csv", HEADER + b"\r\n" + LINE)
    folder.mark("INC_1.csv")
    assert len(read_all(folder.source()).rows) == 1


def test_the_same_file_under_another_name_brings_nothing(folder):
    folder.drop("INC_1.csv", LINE)
    source = folder.source()
    position = read_all(source).position
    folder.drop("INC_2.csv", LINE)
    read = read_all(source, position)
    assert read.rows == []
    assert read.notes == [
        "file INC_2.csv holds the same bytes as INC_1.csv, which is read: it brings nothing new."
    ]
    assert read.complete_to is not None
    assert read_all(source, read.position).notes == []
    folder.drop("INC_3.csv", LINE.replace(b"1,", b"3,", 1))
    assert len(read_all(folder.source(), read.position).rows) == 1


def between(monkeypatch, verb, act):
    """Do something just before the folder's verb is called for the first time."""
    real, done = getattr(LocalFolder, verb), list[object]()

    def first_act(self, name):
        if not done:
            done.append(act())
        return real(self, name)

    monkeypatch.setattr(LocalFolder, verb, first_act)


def test_a_file_that_goes_before_it_is_read_is_no_error_for_long(folder, monkeypatch):
    file = folder.drop("INC_1.csv", LINE)
    source = folder.source()
    between(monkeypatch, "open", file.unlink)
    with pytest.raises(TransientError, match=r"INC_1\.csv was gone before it was read"):
        source.read({})
    assert source.read({}).rows == []


def test_a_file_that_goes_while_its_end_is_looked_at_is_no_error_for_long(folder, monkeypatch):
    source = folder.source(changed(folder.feed, whole={"stable_seconds": 5}))
    file = folder.drop("INC_1.csv", LINE, marked=False)
    read_all(source)
    folder.now += 6
    between(monkeypatch, "open", file.unlink)
    with pytest.raises(TransientError, match=r"INC_1\.csv cannot be read: No such file"):
        source.read({})
    assert source.read({}).rows == []


def test_a_file_that_may_not_be_read_is_tried_again(folder, monkeypatch):
    folder.drop("INC_1.csv", LINE)

    def refuse():
        raise PermissionError(13, "Permission denied", "INC_1.csv")

    source = folder.source()
    between(monkeypatch, "open", refuse)
    with pytest.raises(
        TransientError, match=r"INC_1\.csv cannot be read: Permission denied.*let this user read it"
    ):
        source.read({})


def test_a_file_that_changes_as_it_is_read_is_read_again(folder, monkeypatch):
    folder.drop("INC_1.csv", LINE)
    source = folder.source()
    between(monkeypatch, "look", lambda: folder.drop("INC_1.csv", LINE, LINE.replace(b"1,", b"2,", 1)))
    with pytest.raises(TransientError, match=r"INC_1\.csv changed"):
        source.read({})
    assert len(read_all(source).rows) == 2


def test_a_file_that_changes_between_two_batches_is_read_again_from_its_start(folder):
    lines = [b"%d,01/11/2016,N," % n for n in range(1500)]
    folder.drop("INC_1.csv", *lines)
    source = folder.source()
    first = source.read({})
    folder.drop("INC_1.csv", *lines, b"x,01/11/2016,N,")
    with pytest.raises(TransientError, match="changed while it was read"):
        source.read(first.position)
    assert len(read_all(source, first.position).rows) == 1501


def test_a_file_taken_away_half_read_is_read_to_its_end(folder):
    file = folder.drop("INC_1.csv", *(b"%d,01/11/2016,N," % n for n in range(1500)))
    source = folder.source()
    first = source.read({})
    file.unlink()
    assert len(read_all(source, first.position).rows) == 500


def test_a_file_taken_away_half_read_before_a_restart_is_said_to_be_lost(folder):
    file = folder.drop("INC_1.csv", *(b"%d,01/11/2016,N," % n for n in range(1500)))
    position = folder.source().read({}).position
    file.unlink()
    folder.drop("INC_2.csv", LINE)
    read = read_all(folder.source(), position)
    assert len(read.rows) == 1
    assert read.notes == ["file INC_1.csv was not read from line 1002 on: it has gone."]
