"""Hostile and broken XML: nothing is fetched, expanded, lost or invented."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import HubError, SourceChangedError, TransientError
from tests.pages import Pages, incident, xml
from tests.reading import read_all


@pytest.fixture
def feed(tmp_path):
    feed = Pages(tmp_path)
    yield feed
    feed.close()


def with_type(doctype, text, encoding="utf-8"):
    item = incident(more=text)
    page = f"<?xml version='1.0' encoding='{encoding}'?>{doctype}<Feed complete='true'>{item}</Feed>"
    return page.encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_external_entity_is_refused_and_not_fetched(feed, tmp_path, encoding):
    secret = tmp_path / "secret"
    secret.write_text("content of a file")
    entities = (
        f'<!ENTITY f SYSTEM "{secret.as_uri()}"><!ENTITY h SYSTEM "{feed.server.location}?token=fetched">'
    )
    doctype = f'<!DOCTYPE Feed SYSTEM "{feed.server.location}?token=dtd" [{entities}]>'
    feed.pages[None] = with_type(doctype, "<Synopsis>&f;&h;</Synopsis>", encoding)
    with pytest.raises(SourceChangedError, match="a document type, which could hide entities") as raised:
        feed.source().read({})
    assert feed.asked == [None]
    assert "content of a file" not in str(raised.value)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize("text", ["<Synopsis>&l9;</Synopsis>", "<Units><Unit callsign='&l9;'/></Units>"])
def test_a_billion_laughs_are_refused_at_once(feed, text):
    feed.pages[None] = with_type(f'<!DOCTYPE Feed [<!ENTITY l0 "lol">{LAUGHS}]>', text)
    begun = time.thread_time()
    with pytest.raises(SourceChangedError, match="a document type"):
        feed.source().read({})
    assert time.thread_time() - begun < 2


def test_a_document_type_behind_a_comment_is_refused_too(feed):
    feed.pages[None] = with_type('<!-- <a --><!DOCTYPE Feed [<!ENTITY a "b">]>', "<Synopsis>&a;</Synopsis>")
    with pytest.raises(SourceChangedError, match="a document type"):
        feed.source().read({})


def test_the_words_of_a_document_type_in_a_text_are_only_text(feed):
    feed.pages[None] = xml(incident(more="<Synopsis><![CDATA[<!DOCTYPE html>]]></Synopsis>"))
    assert read_all(feed.source()).rows[0].values["Synopsis"] == "<!DOCTYPE html>"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<Feed", xml(incident())[:-20], b"<Feed complete='true'>&unknown;</Feed>", b"<Feed>\xff</Feed>",
        b"<Feed complete='true'>" + b"<a>" * 1000 + b"</a>" * 1000 + b"</Feed>",
    ],
)  # fmt: skip
def test_xml_that_is_not_well_formed_is_asked_for_again(feed, body):
    feed.pages[None] = body
    source = feed.source()
    with pytest.raises(TransientError, match="no page of this feed: it is not well formed"):
        source.read({})
    feed.pages[None] = xml(incident())
    assert source.read({}).rows[0].key == "A1"


def test_an_unknown_element_is_left_out_and_told_once(feed):
    caller = "<Caller><Name>Jane Doe</Name></Caller>"
    feed.pages[None] = xml(incident(more=caller), incident("A2", more=caller), "<Notice>x</Notice>")
    source = feed.source()
    read = read_all(source)
    assert read.keys == ["A1", "A2"]
    assert read.notes == ["the feed holds what is not asked for and not read: Incident/Caller, Notice."]
    assert "Jane" not in repr(read)
    assert read_all(source).notes == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("<Score>high</Score>", "'Score' is no number"),
        ("<Confidential>maybe</Confidential>", "'Confidential' is neither true nor false"),
        ("<Synopsis>a <b>c</b></Synopsis>", "'Synopsis' holds elements where text was expected"),
        ("<Synopsis>a</Synopsis><Synopsis>b</Synopsis>", "'Synopsis' stands in it twice"),
    ],
)  # fmt: skip
def test_an_item_that_cannot_be_decoded_is_refused_without_what_is_not_asked_for(feed, more, reason):
    caller = "<Caller>Jane Doe</Caller><Units><Unit callsign='NG01' driver='Jane Doe'>Jane Doe</Unit></Units>"
    feed.pages[None] = xml(incident("A1"), incident("A2", more=more + caller), incident("A3"))
    read = read_all(feed.source())
    assert read.keys == ["A1", "A3"]
    (bad,) = read.refused
    assert (bad.reason, bad.key, bad.place) == (
        f"Element {reason}; mend it in the source.",
        "A2",
        "first page, item 2",
    )
    assert bad.raw.startswith(b"<Incident><Ref>A2</Ref><Version>1</Version><")
    assert b"NG01" in bad.raw
    assert b"Jane" not in bad.raw


@pytest.mark.parametrize("version", ["", "two", "1.5", "9" * 30])
def test_a_version_that_is_no_number_is_refused(feed, version):
    feed.pages[None] = xml(
        incident("A1", version), f'<Removal ref="A2" version="{version}"/>', incident("A3")
    )
    read = read_all(feed.source())
    assert read.keys == ["A3"]
    assert len(read.refused) == 2
    assert read.refused[1].raw == f'<Removal ref="A2" version="{version}"/>'.encode()


def test_an_item_without_a_reference_has_no_key(feed):
    feed.pages[None] = xml(
        "<Incident><Version>1</Version></Incident>", incident(" "), "<Removal version='1'/>"
    )
    assert read_all(feed.source()).keys == [None, None, None]


ANY_PAGE = st.one_of(st.binary(max_size=60), st.text(max_size=30).map(lambda text: xml(incident(more=text))))


@settings(deadline=None, max_examples=10)
@given(bodies=st.lists(ANY_PAGE, min_size=20, max_size=20))
def test_no_page_whatever_crashes_the_reader(tmp_path_factory, bodies):
    feed = Pages(tmp_path_factory.mktemp("pages"))
    source = feed.source()
    for body in bodies:
        feed.pages[None] = body
        try:
            read = source.read({})
        except HubError:
            continue
        assert all(row.place.startswith("first page, item") for row in read.rows)
    feed.close()
