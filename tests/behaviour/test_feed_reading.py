"""Reading a feed: token by token, asking only for what is new, and telling how far it is complete."""

import pytest

from connectors.sources import check_source
from hub.errors import ConfigurationError
from tests.pages import AS_OF_MICROS, COLUMNS, JSON, XML, Pages, incident, page_json, xml
from tests.reading import changed, feed_of, kept, read_all


@pytest.fixture
def feed(tmp_path):
    feed = Pages(tmp_path)
    yield feed
    feed.close()


def three_pages(feed):
    feed.pages |= {
        None: xml(incident("A1"), following="one", complete=False),
        "one": xml(incident("A2"), following="two", complete=False),
        "two": xml(incident("A3"), following="three"),
        "three": xml(following="three"),
    }


def test_pages_are_followed_until_one_is_complete(feed):
    three_pages(feed)
    read = read_all(feed.source())
    assert read.keys == ["A1", "A2", "A3"]
    assert [batch.complete_to for batch in read.batches] == [None, None, AS_OF_MICROS]
    assert feed.asked == [None, "one", "two"]
    assert read_all(feed.source(), kept(read.position)).keys == []
    assert feed.asked[-1] == "three"


def test_a_killed_connector_goes_on_at_the_page_it_had_not_kept(feed):
    three_pages(feed)
    first = feed.source().read({})
    assert read_all(feed.source(), kept(first.position)).keys == ["A2", "A3"]


def test_an_unchanged_page_is_asked_for_by_its_tag_and_still_proves_freshness(feed):
    def tagged(request):
        if request.headers.get("If-None-Match") == '"v1"':
            return 304, {"Date": "Tue, 01 Nov 2016 12:05:00 GMT"}, b""
        return 200, {"ETag": '"v1"'}, xml(following="t")

    feed.pages |= {"t": tagged}
    source, position = feed.source(), {"page": {"token": "t"}}
    assert source.read(position).complete_to == AS_OF_MICROS
    again = source.read(position)
    assert (again.rows, again.position, again.complete_to) == ((), position, 1_478_001_900_000_000)
    assert feed.requests[0].headers.get("If-None-Match") is None


def test_a_page_may_be_asked_for_by_its_date(feed):
    modified = "Tue, 01 Nov 2016 12:00:00 GMT"

    def dated(request):
        if request.headers.get("If-Modified-Since") == modified:
            return 304, {}, b""
        return 200, {"Last-Modified": modified}, xml(following="t")

    feed.pages |= {"t": dated}
    source, position = feed.source(), {"page": {"token": "t"}}
    source.read(position)
    assert source.read(position).complete_to is None  # it does not say when it was asked


def test_a_page_with_rows_is_never_asked_for_by_its_tag_since_they_may_not_have_been_kept(feed):
    feed.pages[None] = lambda _: (200, {"ETag": '"v1"'}, xml(incident()))
    source = feed.source()
    assert len(source.read({}).rows) == len(source.read({}).rows) == 1
    assert feed.requests[1].headers.get("If-None-Match") is None


def test_completeness_never_runs_back(feed):
    feed.pages |= {"t": xml(following="t"), "u": xml(following="u", as_of="2016-11-01T11:00:00Z")}
    source = feed.source()
    assert source.read({"page": {"token": "t"}}).complete_to == AS_OF_MICROS
    assert source.read({"page": {"token": "u"}}).complete_to == AS_OF_MICROS


def test_the_secret_and_fixed_parameters_are_sent_and_only_by_get(feed):
    feed.pages[None] = xml()
    feed.source(changed(feed.feed, params={"limit": "500"}), secret="s3cret").read({})
    (request,) = feed.requests
    assert request.query == {"limit": "500"}
    assert request.headers["Authorization"] == "Bearer s3cret"


def test_a_location_may_have_parameters_of_its_own(feed):
    feed.pages["t"] = xml()
    feed.source(location=f"{feed.server.location}?area=31").read({"page": {"token": "t"}})
    assert feed.requests[0].query == {"area": "31", "token": "t"}


@pytest.mark.parametrize("body", [b'<Feed count="41"/>', b"<Count> 41 </Count>"])
def test_the_feed_is_asked_for_its_own_count(feed, body):
    feed.pages[None] = body
    assert feed.source(changed(feed.feed, count_param="count")).count() == 41
    assert feed.requests[0].query == {"count": "1"}


def test_a_json_feed_is_asked_for_its_own_count(tmp_path):
    feed = Pages(tmp_path, {None: b'{"total": 41}'}, settings={**JSON, "count_param": "count"})
    assert feed.source().count() == 41
    feed.close()


def test_a_feed_without_a_count_is_read_through(feed):
    three_pages(feed)
    feed.pages["two"] = xml(
        incident("A3"), incident("A1", 2), '<Removal ref="A2" version="2"/>', following="three"
    )
    assert feed.source().count() == 2


def test_a_json_feed_is_followed_too(tmp_path):
    pages = {
        None: page_json({"Ref": "A1", "Version": 1}, following="one", complete=False),
        "one": page_json({"Ref": "A2", "Version": 1}, following="two"),
    }
    feed = Pages(tmp_path, pages, settings=JSON)
    assert read_all(feed.source()).keys == ["A1", "A2"]
    feed.close()


def test_what_is_wrong_with_the_configuration_is_said_all_at_once(tmp_path):
    wrong = {
        **XML, "key": ["Reference"], "version": {"number": "Tags"}, "changed": "Changed",
        "lists": {"Tags": "Tag", "Synopsis": "Word"},
    }  # fmt: skip
    text = "\n".join(check_source(feed_of(tmp_path, COLUMNS, **wrong)))
    for said in (
        "'source.key': 'Reference' is no row field",
        "'source.version': 'Tags' is list; name a string or long",
        "'source.changed': 'Changed' is no row field",
        "'source.lists': 'Units' is missing",
        "'source.lists': 'Synopsis' is no list",
    ):
        assert said in text
    text = "\n".join(check_source(feed_of(tmp_path, COLUMNS, **{**XML, "formt": "json", "item": 3})))
    assert "did you mean 'format'?" in text
    assert "'source.item': Input should be a valid string" in text


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("sftp://host/feed", "must be an http:// or https:// URL"),
        ("http://", "must be an http:// or https:// URL"),
        ("https://me:secret@host/feed", "put the password of the location into a `secret_file`"),
        ("http://host:port/feed", "is not a URL"),
    ],
)
def test_a_location_that_is_no_feed_is_refused(feed, location, said):
    with pytest.raises(ConfigurationError, match=said):
        feed.source(location=location)
