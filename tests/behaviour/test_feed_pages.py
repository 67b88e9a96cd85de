"""Pages of a feed: what an item becomes in XML and in JSON."""

import pytest

from tests.pages import AS_OF_MICROS, JSON, Pages, incident, page_json, xml
from tests.reading import changed, read_all

FULL = """<Modified>2016-11-01T10:00:00.5Z</Modified><Synopsis> two men &amp; a &#163;5 note </Synopsis>
<Confidential>false</Confidential><Score>0.5</Score><Tags><Tag>A</Tag><Tag/></Tags>
<Units><Unit callsign="NG01" status="5"/><Unit callsign="NG02"/></Units>"""
VALUES = {
    "Ref": "A1", "Version": 3, "Modified": "2016-11-01T10:00:00.5Z", "Synopsis": " two men & a £5 note ",
    "Confidential": False, "Score": 0.5, "Tags": ["A", ""],
    "Units": [{"callsign": "NG01", "status": "5"}, {"callsign": "NG02", "status": None}],
}  # fmt: skip
MODIFIED = 1_477_994_400_500_000


@pytest.fixture
def feed(tmp_path):
    feed = Pages(tmp_path)
    yield feed
    feed.close()


@pytest.fixture
def json_feed(tmp_path):
    feed = Pages(tmp_path, settings=JSON)
    yield feed
    feed.close()


def test_an_item_becomes_a_row_with_its_own_version_and_time(feed):
    feed.pages[None] = xml(incident(version=3, more=FULL), following="t")
    read = read_all(feed.source())
    (row,) = read.rows
    assert row.values == VALUES
    assert (row.key, row.version, row.changed_at, list(row.absent)) == ("A1", 3, MODIFIED, [])
    assert row.place == "first page, item 1"
    assert read.complete_to == AS_OF_MICROS
    assert read.position == {"page": {"token": "t"}}


def test_absent_empty_and_nil_stay_three_things(feed):
    nil = "<Synopsis xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:nil='true'/>"
    feed.pages[None] = xml(incident("A1"), incident("A2", more="<Synopsis/>"), incident("A3", more=nil))
    first, second, third = read_all(feed.source()).rows
    assert (first.values["Synopsis"], "Synopsis" in first.absent) == (None, True)
    assert (second.values["Synopsis"], "Synopsis" in second.absent) == ("", False)
    assert (third.values["Synopsis"], "Synopsis" in third.absent) == (None, False)


def test_an_empty_list_is_not_an_absent_one(feed):
    feed.pages[None] = xml(incident(more="<Tags/>"))
    (row,) = read_all(feed.source()).rows
    assert (row.values["Tags"], row.values["Units"], list(row.absent)[-1]) == ([], None, "Units")


def test_a_removal_carries_its_version(feed):
    feed.pages[None] = xml(incident(), '<Removal ref="A/1" version="7"/>')
    row = read_all(feed.source()).rows[1]
    assert (row.key, row.version, row.removed, row.values) == ("A%2F1", 7, True, {})


def test_elements_are_known_whatever_their_namespace(feed):
    feed.pages[None] = (
        b"<f:Feed xmlns:f='urn:f' complete='1'><f:Incident><f:Ref>A1</f:Ref><f:Version>1</f:Version>"
        b"<f:Tags><f:Tag>A</f:Tag></f:Tags></f:Incident></f:Feed>"
    )
    (row,) = read_all(feed.source()).rows
    assert (row.key, row.values["Tags"]) == ("A1", ["A"])


def test_a_page_may_come_in_another_encoding(feed):
    body = xml(incident(more="<Synopsis>£5 “note”</Synopsis>")).decode()
    feed.pages[None] = body.replace("'utf-8'", "'windows-1252'").encode("cp1252")
    feed.pages["16"] = body.replace("'utf-8'", "'utf-16'").encode("utf-16")
    source = feed.source()
    assert source.read({}).rows[0].values["Synopsis"] == "£5 “note”"
    assert source.read({"page": {"token": "16"}}).rows[0].values["Synopsis"] == "£5 “note”"


def test_comments_in_a_text_are_not_part_of_it(feed):
    feed.pages[None] = xml(incident(more="<Synopsis>one<!-- x --><![CDATA[ <two>]]></Synopsis>"))
    assert read_all(feed.source()).rows[0].values["Synopsis"] == "one <two>"


def test_json_items_become_the_same_rows(json_feed):
    removal = {"ref": "B2", "version": 4}
    json_feed.pages[None] = page_json({**VALUES, "Caller": "Jane Doe"}, gone=[removal], following=17)
    read = read_all(json_feed.source())
    row, gone = read.rows
    assert row.values == VALUES
    assert (row.key, row.version, row.changed_at) == ("A1", 3, MODIFIED)
    assert (gone.key, gone.version, gone.removed) == ("B2", 4, True)
    assert read.complete_to == AS_OF_MICROS
    assert read.position == {"page": {"token": "17"}}
    assert read.notes == ["the feed holds what is not asked for and not read: found.incidents/Caller."]
    assert "Jane" not in repr(read)


def test_null_absent_and_false_stay_three_things_in_json(json_feed):
    base = {"Ref": "A1", "Version": 1}
    json_feed.pages[None] = page_json(base, {**base, "Confidential": None}, {**base, "Confidential": False})
    rows = read_all(json_feed.source()).rows
    told = [(row.values["Confidential"], "Confidential" in row.absent) for row in rows]
    assert told == [(None, True), (None, False), (False, False)]


def test_a_feed_without_versions_leaves_them_to_be_observed(feed):
    feed.pages[None] = xml("<Incident><Ref>A1</Ref></Incident>")
    observed = changed(feed.feed, version="observed", changed=None)
    (row,) = read_all(feed.source(observed)).rows
    assert (row.version, row.changed_at) == (None, None)


@pytest.mark.parametrize("stated", ["2016-11-01T10:00:00", "yesterday", ""])
def test_a_time_of_change_without_an_offset_is_not_guessed(feed, stated):
    feed.pages[None] = xml(incident(more=f"<Modified>{stated}</Modified>"))
    (row,) = read_all(feed.source()).rows
    assert (row.changed_at, row.values["Modified"]) == (None, stated)
