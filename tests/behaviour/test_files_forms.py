"""What drops may look like: encodings, delimiters, fixed width, line ends; and a folder that is only read."""

import os
import tracemalloc

import pytest

from connectors.sources import check_source
from connectors.sources.files import FilesSource
from hub.errors import ConfigurationError, EnvironmentMissingError, TransientError
from tests.drops import Folder
from tests.reading import changed, feed_of, kept, read_all

TEXT = "Café £5, “quoted”"


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path)
    yield folder
    folder.close()


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("cp1252", b""), ("utf-8", b""), ("utf-8-sig", b"\xef\xbb\xbf"), ("utf-8-sig", b""),
        ("utf-16", b"\xff\xfe"), ("utf-16", b"\xfe\xff"), ("utf-16-le", b""), ("utf-32", b"\xff\xfe\x00\x00"),
    ],
)  # fmt: skip
def test_a_drop_may_come_in_any_encoding(folder, encoding, mark):
    plain = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be", b"\xff\xfe\x00\x00": "utf-32-le"}.get(mark)
    lines = [
        "Log No,Log Date,Action,Text",
        *(f'{n},01/11/2016,N,"{TEXT.replace("“", "")}"' for n in range(1500)),
    ]
    text = "".join(f"{line.replace('”', '')}\r\n" for line in lines)
    folder.write("INC_1.csv", mark + text.encode(plain or encoding.removesuffix("-sig")))
    folder.mark("INC_1.csv")
    feed = changed(folder.feed, encoding=encoding)
    first = folder.source(feed).read({})
    rest = read_all(folder.source(feed), kept(first.position))
    texts = {row.values["Text"] for row in (*first.rows, *rest.rows)}
    assert texts == {"Café £5, quoted"}
    assert [int(row.values["Log_No"]) for row in (*first.rows, *rest.rows)] == list(range(1500))
    assert folder.source(feed).count() == 1500


def test_an_ebcdic_drop_is_read(folder):
    text = "Log No,Log Date,Action,Text\n1,01/11/2016,N,HIGH STREET\n"
    folder.write("INC_1.csv", text.encode("cp500"))
    folder.mark("INC_1.csv")
    (row,) = read_all(folder.source(changed(folder.feed, encoding="cp500"))).rows
    assert row.values["Text"] == "HIGH STREET"


def test_values_come_as_they_stand(folder):
    folder.drop("INC_1.csv", b'1, 01/11/2016,N,"line one\r\nline ""two"""', b"2,01/11/2016, ,  padded ")
    first, second = read_all(folder.source()).rows
    assert first.values["Text"] == 'line one\r\nline "two"'
    assert first.key == "01%2F11%2F2016:1"
    assert (second.values["Action"], second.values["Text"]) == (" ", "  padded ")
    assert second.place == "file INC_1.csv, line 4"


def test_quotes_are_letters_where_the_configuration_says_so(folder):
    folder.drop("INC_1.csv", b'1|01/11/2016|N|"half', header=b"Log No|Log Date|Action|Text")
    (row,) = read_all(folder.source(changed(folder.feed, delimiter="|", quote=""))).rows
    assert row.values["Text"] == '"half'


def test_a_drop_may_lack_a_header_and_blank_lines_are_nothing(folder):
    folder.write("INC_1.csv", b"1,01/11/2016,N,a\n\n\n2,01/11/2016,N,b")
    folder.mark("INC_1.csv")
    feed = changed(folder.feed, header=["Log No", "Log Date", "Action", "Text"])
    assert [row.place for row in read_all(folder.source(feed)).rows] == [
        "file INC_1.csv, line 1",
        "file INC_1.csv, line 4",
    ]


FIXED = [
    {"name": "Log No", "start": 1, "width": 4},
    {"name": "Log Date", "start": 5, "width": 10},
    {"name": "Action", "start": 25, "width": 1},
    {"name": "Text", "start": 26, "width": 5},
]


def test_fixed_width_columns_are_cut_and_their_padding_left_out(folder):
    folder.write(
        "INC_1.csv", b"   101/11/2016Jane Doe  Nabc  \r\n   2\r\n   301/11/2016Jane Doe  N\x81bc  \r\n"
    )
    folder.mark("INC_1.csv")
    source = folder.source(changed(folder.feed, fixed=FIXED))
    read = read_all(source)
    assert read.keys == ["01%2F11%2F2016:1"]
    assert read.rows[0].values["Text"] == "abc"
    assert [(refused.raw, refused.key) for refused in read.refused] == [
        (None, None),
        (b"   301/11/2016N\x81bc  ", "01%2F11%2F2016:3"),
    ]
    assert "Jane" not in repr(read)
    assert source.count() == 2


def test_fixed_width_lines_of_another_length_are_refused(folder):
    folder.write("INC_1.csv", b"   101/11/2016Jane Doe  Nabc  \n   101/11/2016Jane Doe  Nabc   \n")
    folder.mark("INC_1.csv")
    read = read_all(folder.source(changed(folder.feed, fixed=FIXED, line_length=30)))
    assert (len(read.rows), [r.reason for r in read.refused]) == (1, ["31 characters where a line has 30"])


def test_memory_stays_flat_over_a_large_drop(folder):
    line = b"%06d,01/11/2016,N," + b"x" * 300
    folder.drop("INC_1.csv", *(line % n for n in range(40_000)))
    source, position, rows = folder.source(), kept({}), 0
    tracemalloc.start()
    try:
        while (batch := source.read(position)).rows or batch.more:
            position, rows = batch.position, rows + len(batch.rows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == 40_000
    assert peak < 8_000_000  # the file has 13


def test_a_folder_that_may_only_be_read_is_enough_and_is_left_as_it_was(folder):
    folder.drop("INC_1.csv", b"1,01/11/2016,N,a")
    files = sorted(folder.path.iterdir())
    for file in files:
        file.chmod(0o444)
    folder.path.chmod(0o555)
    before = [(file, file.stat().st_mtime_ns, file.read_bytes()) for file in files], folder.path.stat()
    try:
        assert len(_as_nobody(folder, lambda: read_all(folder.source())).rows) == 1
        assert ([(f, f.stat().st_mtime_ns, f.read_bytes()) for f in files], folder.path.stat()) == before
        assert sorted(folder.path.iterdir()) == files
    finally:
        folder.path.chmod(0o755)


def _as_nobody(folder, do):
    """Do it without root's right to write everywhere."""
    if os.geteuid() != 0:
        return do()
    way = [*folder.path.parents][: len(folder.path.parents) - 2]
    modes = [(parent, parent.stat().st_mode) for parent in way]
    for parent, mode in modes:
        parent.chmod(mode | 0o055)
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionError):
            (folder.path / "new").touch()
        return do()
    finally:
        os.seteuid(0)
        for parent, mode in modes:
            parent.chmod(mode)


def test_a_folder_that_is_not_there_is_asked_for_again(folder, tmp_path):
    source = FilesSource(folder.feed, str(tmp_path / "mount"), None)
    with pytest.raises(TransientError, match=r"mount.*check that it exists"):
        source.read({})
    (tmp_path / "mount").mkdir()
    assert source.read({}).rows == []


def test_a_folder_that_may_not_be_listed_is_said_to_be_so(folder):
    folder.path.chmod(0o000)
    try:
        with pytest.raises(EnvironmentMissingError, match="grant this user read"):
            _as_nobody_list(folder)
    finally:
        folder.path.chmod(0o755)


def _as_nobody_list(folder):
    if os.geteuid() != 0:
        folder.source().read({})
    source = folder.source()
    os.seteuid(65534)
    try:
        source.read({})
    finally:
        os.seteuid(0)


def test_what_is_wrong_with_the_configuration_is_said_all_at_once(tmp_path):
    feed = feed_of(
        tmp_path, {"No": ["null", "long"], "Text": ["null", "string"]},
        kind="files", pattern="*.csv", mode="snapshot", whole={"stable_seconds": 5}, key=["No"],
        encoding="latin-17", delimeter=";", quote="''",
    )  # fmt: skip
    problems = check_source(feed)
    assert len(problems) == 3
    text = "\n".join(problems)
    assert "'source.delimeter': not known; did you mean 'delimiter'?" in text
    assert "'latin-17' is not a text encoding" in text
    assert "'source.quote': is one ASCII character" in text
    assert all(problem.startswith(str(feed.file)) for problem in problems)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"mode": "snapshot", "removed": None, "whole": {"stable_seconds": 5}},
            "a snapshot is proved whole by",
        ),
        ({"mode": "snapshot", "whole": {"trailer": "T"}}, "leave removed out"),
        ({"whole": {}}, "give marker, trailer or stable_seconds"),
        ({"whole": None}, "'source.whole': missing; add it"),
        ({"delimiter": '"'}, "delimiter must be one character, another than quote"),
        ({"header": ["Log No"]}, "'source.header': no column 'Log Date', which is read; name it there"),
        ({"fixed": FIXED, "header": ["a"]}, "leave header out"),
        ({"line_length": 3}, "leave it out"),
        ({"encoding": "utf-7"}, "lines cannot be told apart"),
        ({"only": {"column": "A", "equals": "1", "claims_unknown": True}}, "claims_unknown needs known"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_with_its_remedy(folder, settings, said):
    problems = check_source(changed(folder.feed, **settings))
    assert said in "\n".join(problems)


def test_a_column_that_is_no_text_in_the_schema_is_refused(tmp_path):
    feed = Folder(tmp_path, columns={"Log No": ["null", "long"], "Log Date": ["null", "string"]}).feed
    assert "row field 'Log_No' is long; a file gives text, so make it a string" in check_source(feed)[0]


def test_a_location_that_is_no_folder_is_refused(folder):
    with pytest.raises(ConfigurationError, match="give a path or sftp://user@host/path"):
        FilesSource(folder.feed, "ftp://host/path", None)
