"""Rows that a connector set aside go back through it: its parser, its versions, its transactions."""

import contextlib
import json
import threading
from dataclasses import replace

import pytest

from connectors.publisher import Publisher
from connectors.replayed_row import parse_row
from connectors.source import Row
from connectors.sources.columns import row_columns
from hub.control import Control
from hub.dead_letters.cases import State
from hub.dead_letters.erasures import Erasures, let_erased_go
from hub.dead_letters.findings import Finding
from hub.dead_letters.rows import Form, id_of
from hub.dead_letters.search import Search
from hub.errors import BadRecordError
from hub.view.store import open_store
from tests.connecting import Bench, balanced, batch, refused, row
from tests.dead_letters import ANNA, BILAL, office_on
from tests.mapped import feed as feed_of

CLOCK = 1_790_000_000.0


class Desk(Bench):
    """A bench with an office beside it."""

    def __init__(self, folder):
        super().__init__(folder)
        self.store = open_store(f"sqlite:///{folder}/view.db")
        self.office = office_on(self.bus, self.codec, self.forces, self.store, lambda: CLOCK + 100)

    def close(self):
        self.office.writer.book.close()
        self.store.close()
        super().close()


@pytest.fixture
def bench(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def read(bench, feed, *batches, at):
    """Run the connector on these batches, from where its position stands, and once more on nothing."""
    before = bench.positions(feed).position.get("place", 0)
    bench.publish(feed, *[batch()] * before, *batches, batch(), clock=lambda: at)


def keyless(**values):
    return Row(None, {"GRADE": "1", "SUMMARY": "Noise", **values}, "line 9")


def set_aside(bench, feed, *rows, at=CLOCK):
    read(bench, feed, batch(*rows), at=at)
    return [letter.id for letter in bench.office.reading.find(ANNA, Search())]


def mend(bench, letter, **fields):
    bench.office.edit(ANNA, letter, fields=fields, why="the number was left out")
    bench.office.approve(BILAL, letter)


def replay(bench, feed):
    """Ask for all that waits, run the connector, take in what it answered."""
    found = {}
    letters = bench.office.reading.find(ANNA, Search())

    def tell(findings):
        found.update({each.letter: each for each in findings})

    stop = threading.Event()
    bench.office.replay(ANNA, letters, why="mended", per_second=100, stop=stop, tell=tell)
    read(bench, feed, batch(), at=CLOCK + 200)
    tell(bench.office.answers([*found.values()], 0, stop))
    return {letter: str(each.verdict) for letter, each in found.items()}


def case(bench, letter):
    bench.office.writer.book.refresh()
    return bench.office.writer.book.case(letter)


def test_a_mended_row_is_published_by_its_connector_with_the_next_version_and_counts_balance(bench):
    feed = bench.feed()
    read(bench, feed, batch(row(7, grade="5")), at=CLOCK - 10)
    (letter,) = set_aside(bench, feed, keyless(INC_NO=7))
    mend(bench, letter, INC_DATE="2016-11-01")

    assert replay(bench, feed) == {letter: "passes"}

    first, second = bench.of(feed, "2016-11-01:7")
    assert (first["source_version"], second["source_version"]) == (1, 2)
    assert (second["row"]["GRADE"], second["row"]["SUMMARY"]) == ("1", "Noise")
    assert second["source_position"] == "line 9, replayed"
    assert case(bench, letter).state is State.REPLAYED
    assert Control(bench.bus, bench.codec).read(feed) == {}
    counts = bench.counts(feed)
    assert balanced(counts)
    assert (counts["read"], counts["published"], counts["dead_lettered"]) == (3, 2, 1)


def test_a_row_published_since_is_never_overwritten(bench):
    feed = bench.feed()
    (letter,) = set_aside(bench, feed, keyless(INC_NO=7))
    read(bench, feed, batch(row(7, grade="5")), at=CLOCK + 50)
    mend(bench, letter, INC_DATE="2016-11-01")

    (finding,) = bench.office.dry_run(ANNA, Search())
    assert str(finding.verdict) == "stale"
    assert replay(bench, feed) == {letter: "stale"}
    assert [event["row"]["GRADE"] for event in bench.of(feed, "2016-11-01:7")] == ["5"]


def test_one_published_between_the_asking_and_the_connector_is_not_overwritten_either(bench):
    feed = bench.feed()
    (letter,) = set_aside(bench, feed, keyless(INC_NO=7))
    mend(bench, letter, INC_DATE="2016-11-01")
    stop, found = threading.Event(), list[Finding]()
    letters = bench.office.reading.find(ANNA, Search())
    bench.office.replay(ANNA, letters, why="", per_second=9, stop=stop, tell=found.extend)
    # The same batch is published before the connector looks at what it was asked.
    read(bench, feed, batch(row(7, grade="5")), at=CLOCK + 50)

    (answer,) = bench.office.answers(found, 0, stop)
    grades = [event["row"]["GRADE"] for event in bench.of(feed, "2016-11-01:7")]
    assert grades[-1] == "5"
    assert str(answer.verdict) == ("stale" if grades == ["5"] else "passes")


def test_a_row_that_cannot_be_read_again_fails_and_says_why(bench):
    feed = bench.feed()
    (letter,) = set_aside(bench, feed, refused())
    assert replay(bench, feed) == {letter: "fails"}
    assert "columns of a row" in case(bench, letter).acts[-1].why
    assert bench.events(feed) == []


def test_rows_of_one_key_are_taken_in_the_order_in_which_they_were_set_aside(bench):
    feed = bench.feed()
    set_aside(bench, feed, keyless(INC_NO=7, GRADE="1"))
    read(bench, feed, batch(keyless(INC_NO=7, GRADE="2")), at=CLOCK + 1)
    letters = [letter.id for letter in bench.office.reading.find(ANNA, Search())]
    for letter in letters:
        mend(bench, letter, INC_DATE="2016-11-01")

    assert set(replay(bench, feed).values()) == {"passes"}
    assert [event["row"]["GRADE"] for event in bench.of(feed, "2016-11-01:7")] == ["1", "2"]


def test_rows_asked_while_a_connector_was_away_are_taken_in_so_many_at_a_time(bench, monkeypatch):
    monkeypatch.setattr("connectors.replays._AT_ONCE", 2)
    commits: list[None] = []
    part = Publisher.part
    monkeypatch.setattr(Publisher, "part", lambda self, at: commits.append(part(self, at)))
    feed = bench.feed()
    letters = set_aside(bench, feed, *(keyless(INC_NO=number) for number in range(5)))
    for letter in letters:
        mend(bench, letter, INC_DATE="2016-11-01")

    assert set(replay(bench, feed).values()) == {"passes"}
    assert len(commits) == 3
    assert sorted(event["row"]["INC_NO"] for event in bench.events(feed)) == list(range(5))


def test_a_row_set_aside_before_its_record_was_erased_goes_with_it(bench):
    feed = bench.feed()
    set_aside(bench, feed, refused(key="2016-11-01:7"), refused(b"8", key="2016-11-01:8"))
    erase(bench, feed, "2016-11-01:7", at=CLOCK + 1)
    read(bench, feed, batch(refused(b"later", key="2016-11-01:7")), at=CLOCK + 2)

    with contextlib.closing(Erasures(bench.bus, threading.Event())) as erasures:
        assert let_erased_go(bench.office, erasures) == 1
    left = [letter.about["record_id"][-1] for letter in bench.office.reading.find(ANNA, Search())]
    assert left == ["8", "7"]


def erase(bench, feed, key, *, at):
    producer = bench.bus.producer("who erases")
    producer.begin()
    producer.send(feed.topic, id_of(feed, key).encode(), None, timestamp=int(at * 1000))
    producer.commit()
    producer.close()


def test_what_was_decoded_of_a_row_is_shown_masked(bench):
    feed = bench.feed()
    (letter,) = set_aside(bench, feed, keyless(INC_NO=7))
    shown = bench.office.reading.show(ANNA, letter)
    assert shown["decoded"] == {"GRADE": "1", "INC_NO": 7}
    assert shown["decoded_withheld"] == ["SUMMARY"]
    assert "Noise" not in json.dumps(shown)
    assert bench.office.reading.page(ANNA, Search(key="7")).letters
    assert not bench.office.reading.page(ANNA, Search(key="8")).letters


NORTHAMPTONSHIRE = feed_of("northamptonshire")
NOTTINGHAMSHIRE = feed_of("nottinghamshire")
COLUMNS = ["Log No", "Log Date", "Description"]


@pytest.mark.parametrize(
    ("feed", "columns", "original", "key"),
    [
        (NORTHAMPTONSHIRE, COLUMNS, b'7,01/11/2016,"a, b"\r\n', "01%2F11%2F2016:7"),
        (NORTHAMPTONSHIRE, COLUMNS, "7,01/11/2016,Café".encode("cp1252"), "01%2F11%2F2016:7"),
        (NOTTINGHAMSHIRE, (), b"<Incident><Ref>NG-1</Ref><Version>3</Version></Incident>", "NG-1"),
        (NOTTINGHAMSHIRE, (), b'<Removal ref="NG-1" version="4"/>', "NG-1"),
    ],
    ids=["line", "line of cp1252", "item", "removal"],
)
def test_an_original_is_read_by_its_sources_own_parser(feed, columns, original, key):
    settings = {**feed.source, "key": ["Log Date", "Log No"]} if columns else feed.source
    if columns:  # the file's other columns are none of this test's
        named = [column.name for column in row_columns(feed.schema)]
        columns = [*columns, *(name for name in named if name not in columns)]
        end = b"\r\n" if original.endswith(b"\r\n") else b""
        original = original.removesuffix(end) + b"," * (len(columns) - 3) + end
    row = parse_row(replace(feed, source=settings), {"columns": columns}, original, Form.ORIGINAL)
    assert row.key == key
    assert row.removed is (b"Removal" in original)


def test_an_original_that_is_still_bad_says_why():
    for original, words in (
        (b"<Incident><Ref>NG-1</Ref></Incident>", "version"),
        (b"<Inci", "cannot be read"),
    ):
        with pytest.raises(BadRecordError, match=words):
            parse_row(NOTTINGHAMSHIRE, {}, original, Form.ORIGINAL)
    with pytest.raises(BadRecordError, match="not kept"):
        parse_row(NORTHAMPTONSHIRE, {}, b"7,01/11/2016", Form.ORIGINAL)
