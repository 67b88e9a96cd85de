"""Bad lines in a drop: each is refused by itself, and the good ones around it are read."""

import hashlib
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sources.encoded import means_itself
from hub.errors import HubError
from tests.drops import HEADER, Folder
from tests.reading import changed, read_all

GOOD = (b"1,01/11/2016,N,good", b"9,01/11/2016,N,good")


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path)
    yield folder
    folder.close()


def refused(folder, *lines, header=HEADER):
    """What reading these lines between two good ones refuses."""
    folder.drop("INC_1.csv", GOOD[0], *lines, GOOD[1], header=header)
    read = read_all(folder.source())
    assert [row.values["Log_No"] for row in read.rows] == ["1", "9"]
    assert read.complete_to is not None
    return read.refused


def test_a_wrong_column_count_is_refused(folder):
    few, many = refused(folder, b"2,01/11/2016,N", b"3,01/11/2016,N,a,b")
    assert few.reason == "3 columns where the header has 4"
    assert few.place == "file INC_1.csv, line 3"
    assert few.raw == b"2,01/11/2016,N\r\n"
    assert few.sha256 == hashlib.sha256(few.raw).hexdigest()
    assert many.reason == "5 columns where the header has 4"


def test_a_byte_of_another_encoding_is_refused(folder):
    """cp1252 does not say what 0x81 is; a blank is better than a guess."""
    (bad,) = refused(folder, b"2,01/11/2016,N,caf\x81")
    assert (bad.reason, bad.raw, bad.key) == (
        "not cp1252: byte 0x81", b"2,01/11/2016,N,caf\x81\r\n", "01%2F11%2F2016:2",
    )  # fmt: skip


def test_a_number_that_cannot_be_decoded_is_nobodys(folder):
    """A key with a guessed letter in it could be another record's."""
    bad = refused(folder, b"2\x81,01/11/2016,N,a", b"2\0,01/11/2016,N,a")
    assert [each.key for each in bad] == [None, None]


def test_a_nul_byte_is_refused(folder):
    (bad,) = refused(folder, b"2,01/11/2016,N,a\0b")
    assert (bad.reason, bad.raw) == ("a NUL byte", b"2,01/11/2016,N,a\0b\r\n")


def test_a_field_of_ten_megabytes_is_refused(folder):
    field = b"x" * 10_000_000
    (bad,) = refused(folder, b"2,01/11/2016,N," + field)
    assert bad.reason == "the line cannot be split: field larger than field limit (1048576)"
    assert bad.length == len(field) + 17
    assert bad.raw is not None


def test_a_field_of_ten_megabytes_beside_a_column_that_must_not_be_kept_is_told_by_its_hash(folder):
    header = HEADER + b",Informant"
    line = b"2,01/11/2016,N," + b"x" * 10_000_000 + b",Jane Doe"
    folder.drop("INC_1.csv", line, header=header)
    (bad,) = read_all(folder.source()).refused
    assert (bad.raw, bad.sha256) == (None, hashlib.sha256(line + b"\r\n").hexdigest())


def test_a_line_too_long_to_hold_is_refused_unread(folder):
    line = b"2,01/11/2016,N," + b"x" * 40_000_000
    folder.drop("INC_1.csv", GOOD[0], line, GOOD[1])
    source = folder.source()
    tracemalloc.start()
    try:
        read = read_all(source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [row.place for row in read.rows] == ["file INC_1.csv, line 2", "file INC_1.csv, line 4"]
    (bad,) = read.refused
    assert (bad.raw, bad.length) == (None, len(line) + 2)
    assert bad.sha256 == hashlib.sha256(line + b"\r\n").hexdigest()
    assert peak < 60_000_000


def test_a_quote_not_closed_costs_its_line_alone(folder):
    (bad,) = refused(folder, b'2,01/11/2016,N,"not closed')
    assert bad.reason == "a quote is opened and not closed"
    assert bad.raw == b'2,01/11/2016,N,"not closed\r\n'


def test_a_record_over_several_lines_is_refused_as_one(folder):
    bad = refused(folder, b'2,01/11/2016,"over\r\nthree\r\nlines"')
    assert [each.reason for each in bad] == ["3 columns where the header has 4"]
    assert bad[0].raw == b'2,01/11/2016,"over\r\nthree\r\nlines"\r\n'


def test_a_quote_within_a_field_is_refused_since_no_one_can_tell_where_it_ends(folder):
    (bad,) = refused(folder, b'2,01/11/2016,N,"he said "hi" to me"')
    assert bad.reason == "the line cannot be split: ',' expected after '\"'"


def test_a_refused_line_loses_the_columns_that_must_not_be_kept(folder):
    header = HEADER.replace(b"Text", b"Informant,Text")
    lines = (b'2,01/11/2016,N,"Doe, Jane",\x81', b"3,01/11/2016,Jane Doe,a", b"4,01/11/2016,N,\x8d,a")
    folder.drop("INC_1.csv", *lines, header=header)
    read = read_all(folder.source())
    assert [each.raw for each in read.refused] == [b"2,01/11/2016,N,\x81", None, b"4,01/11/2016,N,a"]
    assert "Doe" not in repr(read)


def test_in_an_encoding_of_several_bytes_a_letter_it_cannot_split_safely_is_not_kept(folder):
    """In Shift-JIS the byte of a bar may be the second half of a letter."""
    header = b"Log No|Log Date|Action|Informant|Text"
    folder.drop("INC_1.csv", b"1|01/11/2016|N|Jane\x81|x|\x81\x20", header=header)
    read = read_all(folder.source(changed(folder.feed, delimiter="|", encoding="shift_jis")))
    assert [each.raw for each in read.refused] == [None]


@pytest.mark.parametrize(
    ("encoding", "safe"),
    [("cp1252", True), ("utf-8", True), ("cp949", True), ("shift_jis", False), ("gb18030", False)],
)
def test_a_byte_is_taken_for_a_bar_only_where_it_can_be_nothing_else(encoding, safe):
    assert means_itself(encoding, b"|") is safe


@settings(deadline=None, max_examples=150)
@given(
    data=st.data(), snapshot=st.booleans(), encoding=st.sampled_from(["cp1252", "utf-8", "utf-16", "cp500"])
)
def test_no_bytes_whatever_crash_the_reader_or_lose_the_line_before_them(
    tmp_path_factory, data, snapshot, encoding
):
    more = {"mode": "snapshot", "removed": None} if snapshot else {}
    folder = Folder(tmp_path_factory.mktemp("bytes"), encoding=encoding, **more)
    pieces = st.one_of(
        st.binary(max_size=20),
        st.sampled_from([b'"', b",", b"\r", b"\n", b"\r\n", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", *GOOD]),
    )
    noise = b"".join(data.draw(st.lists(pieces, max_size=12)))
    mark = b"\xff\xfe" if encoding == "utf-16" else b""
    good = "\n".join([HEADER.decode(), GOOD[0].decode(), ""]).encode(encoding).removeprefix(mark)
    folder.write("INC_1.csv", mark + good + noise)
    folder.mark("INC_1.csv")
    try:
        read = read_all(folder.source())
    except HubError:
        folder.close()
        return
    assert read.rows[0].key == "01%2F11%2F2016:1"
    assert all(refused.length and len(refused.sha256) == 64 for refused in read.refused)
    again = read_all(folder.source(), {})
    assert (again.rows, again.refused) == (read.rows, read.refused)
    folder.close()
