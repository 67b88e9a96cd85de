"""Feeds that misbehave: what is retried, what stops, and that nothing is lost either way."""

import gzip
import json

import pytest

from hub.errors import ConfigurationError, SourceChangedError, TransientError
from tests.pages import AS_OF_MICROS, JSON, XML, Pages, incident, page_json, xml
from tests.reading import changed, kept, read_all

TOKEN = {"page": {"token": "t"}}


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


def test_a_feed_that_is_down_is_asked_again(feed):
    source = feed.source()
    feed.server.close()
    with pytest.raises(TransientError, match=r"http://127\.0\.0\.1:\d+/incidents: ConnectError"):
        source.read({})


@pytest.mark.parametrize("status", [500, 502, 503, 408])
def test_a_server_error_is_asked_again(feed, status):
    feed.pages[None] = (status, {}, b"<html>sorry</html>")
    source = feed.source()
    with pytest.raises(TransientError, match=f"answers {status}") as raised:
        source.read({})
    assert raised.value.retry_after_seconds is None
    feed.pages[None] = xml(incident())
    assert len(source.read({}).rows) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:47 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 10),
        ({"Retry-After": "Thu, 24 Nov 2016 15:06:45 GMT"}, 5),  # by the clock, where the server tells no time
        ({"Retry-After": "99999999999"}, 3600),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_in_seconds_or_as_a_date(feed, status, headers, seconds):
    feed.pages[None] = (status, headers, b"")
    with pytest.raises(TransientError, match="asked again later") as raised:
        feed.source().read({})
    assert raised.value.retry_after_seconds == seconds


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_refused_secret_stops_and_is_not_shown(feed, status):
    feed.pages[None] = (status, {}, b"")
    with pytest.raises(ConfigurationError, match="see `secret_file`") as raised:
        feed.source(secret="hunter2").read({})
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "said"), [(302, "it has moved"), (404, "no feed there"), (400, "no feed there")]
)
def test_a_feed_that_is_not_there_stops(feed, status, said):
    feed.pages[None] = (status, {"Location": "https://elsewhere/"}, b"")
    with pytest.raises(ConfigurationError, match=said):
        feed.source().read({})
    assert len(feed.requests) == 1


def test_what_is_in_the_address_beyond_the_path_is_not_shown(feed):
    feed.pages[None] = (500, {}, b"")
    with pytest.raises(TransientError) as raised:
        feed.source(location=f"{feed.server.location}?key=hunter2").read({})
    assert "hunter2" not in str(raised.value)


def test_a_page_twice_gives_the_same_rows_with_the_same_versions(feed):
    feed.pages[None] = xml(incident(version=4), following="t")
    source = feed.source()
    assert source.read({}).rows == source.read({}).rows
    feed.pages["t"] = feed.pages[None]
    assert [row.version for row in source.read(TOKEN).rows] == [4]


@pytest.mark.parametrize("following", ["t", ""])
def test_a_feed_that_leads_in_a_circle_is_not_followed_round_and_round(feed, following):
    feed.pages["t"] = xml(incident(), following=following, complete=False)
    source = feed.source()
    read = read_all(source, TOKEN)
    assert (read.keys, read.position, read.complete_to) == (["A1"], TOKEN, None)
    for _ in range(2):
        with pytest.raises(TransientError, match="leads back to a page that was read"):
            source.read(TOKEN)
    feed.pages["t"] = xml(incident(), incident("A2"), following="u")
    assert read_all(source, TOKEN).keys == ["A1", "A2"]


def test_a_wider_circle_is_found_too(feed):
    feed.pages |= {
        None: xml(incident("A1"), following="t", complete=False),
        "t": xml(incident("A2"), following="u", complete=False),
        "u": xml(incident("A3"), following="t", complete=False),
    }
    source = feed.source()
    read = read_all(source)
    assert read.keys == ["A1", "A2", "A3"]
    with pytest.raises(TransientError, match="leads back"):
        source.read(read.position)
    feed.pages["t"] = xml(incident("A4"), following="v")  # mended
    assert read_all(source, read.position).keys == ["A3", "A4"]


def test_pages_read_again_because_they_were_not_kept_are_no_circle(feed):
    feed.pages |= {
        None: xml(following="t", complete=False),
        "t": xml(following="u", complete=False),
        "u": xml(incident("A3"), following="v", complete=False),
        "v": xml(following="w"),
    }
    source = feed.source()
    source.read(source.read(source.read({}).position).position)
    read = read_all(source, TOKEN)
    assert (read.keys, read.notes) == (["A3"], [])


@pytest.mark.parametrize("status", [410, 400])
def test_an_expired_token_begins_a_listing_anew_from_which_removals_follow(feed, status):
    feed.pages |= {
        "t": (status, {}, b""),
        None: xml(incident("A1", 2), following="u", complete=False),
        "u": xml(incident("A3"), following="v"),
    }
    read = read_all(feed.source(changed(feed.feed, start_lists_all=True)), TOKEN)
    assert read.keys == ["A1", "A3"]
    assert [batch.snapshot for batch in read.batches] == [None, "listing 1", "listing 1"]
    assert read.ended == ["listing 1"]
    assert read.notes == ["the feed no longer takes token 't': read again from its beginning."]
    assert (read.position, read.complete_to) == ({"page": {"token": "v"}}, AS_OF_MICROS)


def test_a_listing_begins_anew_after_a_kill_since_only_a_whole_one_removes(feed):
    feed.pages |= {
        "t": (410, {}, b""),
        None: xml(incident("A1", 2), following="u", complete=False),
        "u": xml(incident("A3"), following="v"),
    }
    listed = changed(feed.feed, start_lists_all=True)
    source = feed.source(listed)
    first = source.read(source.read(TOKEN).position)
    assert first.snapshot == "listing 1"
    read = read_all(feed.source(listed), kept(first.position))
    assert read.keys == ["A1", "A3"]
    assert len(read.ended) == 1


def test_a_listing_begins_anew_within_one_process_too_where_its_pages_were_not_kept(feed):
    feed.pages |= {
        "t": (410, {}, b""),
        None: xml(incident("A1"), following="u", complete=False),
        "u": xml(incident("A2"), following="w", complete=False),
        "w": xml(incident("A3"), following="v"),
    }
    source = feed.source(changed(feed.feed, start_lists_all=True))
    begun = source.read(TOKEN).position
    source.read(source.read(begun).position)
    read = read_all(source, kept(begun))
    assert (read.keys, read.ended) == (["A1", "A2", "A3"], ["listing 2"])


def test_without_a_full_listing_an_expired_token_removes_nothing(feed):
    feed.pages |= {"t": (410, {}, b""), None: xml(incident("A1"), following="u")}
    read = read_all(feed.source(), TOKEN)
    assert (read.keys, read.ended, read.position) == (["A1"], [], {"page": {"token": "u"}})


@pytest.mark.parametrize(("version", "anew"), [("observed", True), ({"number": "Version"}, False)])
def test_a_log_read_from_its_beginning_says_so_where_no_version_tells_what_is_old(feed, version, anew):
    feed.pages |= {"t": (410, {}, b""), None: xml(incident("A1"), following="u")}
    read = read_all(feed.source(changed(feed.feed, version=version)), TOKEN)
    assert [batch.anew for batch in read.batches] == [anew, False]


def test_a_feed_that_refuses_its_own_tokens_is_not_read_from_its_beginning_over_and_over(feed):
    feed.pages |= {"t": (410, {}, b""), None: xml(incident("A1"), following="t", complete=False)}
    source = feed.source()
    with pytest.raises(TransientError, match="refuses its own tokens") as raised:
        read_all(source, TOKEN)
    assert raised.value.retry_after_seconds == 60
    assert len(feed.requests) == 3
    feed.now += 61
    assert source.read(TOKEN).more


@pytest.mark.parametrize("packed", [False, True])
def test_a_page_too_large_stops_before_it_is_held(feed, packed):
    body = xml(incident(more=f"<Synopsis>{'x' * 100_000}</Synopsis>"))
    feed.pages[None] = (200, {"Content-Encoding": "gzip"}, gzip.compress(body)) if packed else body
    small = changed(feed.feed, max_page_bytes=50_000)
    with pytest.raises(SourceChangedError, match=r"above 50000 bytes\. Ask for smaller pages"):
        feed.source(small).read({})
    assert len(feed.source().read({}).rows) == 1


def test_a_page_that_does_not_come_is_asked_for_again(feed):
    feed.pages[None] = (200, {"Content-Length": "100"}, b"<Feed")
    with pytest.raises(TransientError):
        feed.source(changed(feed.feed, timeout_seconds=0.2)).read({})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html><body>Please log in</body></html>", "its root element is not Feed"),
        (b"<Feed><Incident><Ref>A1</Ref></Incident></Feed>", "it does not say whether it is complete"),
        (b"<Feed complete='perhaps'/>", "it does not say whether it is complete"),
    ],
)
def test_a_page_of_something_else_is_asked_again(feed, body, said):
    feed.pages[None] = body
    with pytest.raises(TransientError, match=said):
        feed.source().read({})


def test_a_count_that_is_none_is_asked_for_again(feed):
    feed.pages[None] = b"<Feed/>"
    with pytest.raises(TransientError, match="it states no count"):
        feed.source(changed(feed.feed, count_param="count")).count()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b'{"complete": tru', "not JSON"),
        (b'{"complete": NaN}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"n": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[]", "does not say whether it is complete"),
        (b'{"complete": "true", "found": {"incidents": []}}', "does not say whether it is complete"),
        (b'{"complete": true, "found": []}', "no list 'found.incidents'"),
        (b'{"complete": true, "found": {"incidents": []}, "gone": 3}', "no list 'gone'"),
    ],
)
def test_what_is_no_json_is_asked_for_again(json_feed, body, said):
    json_feed.pages[None] = body
    with pytest.raises(TransientError, match=said):
        json_feed.source().read({})


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"Synopsis": 3}, "'Synopsis' is not the string that the schema says; mend it in the source."),
        ({"Version": True}, "'Version' is not the long that the schema says; mend it in the source."),
        ({"Version": 2**70}, "'Version' is a number too large; mend it in the source."),
        (
            {"Confidential": "false"},
            "'Confidential' is not the boolean that the schema says; mend it in the source.",
        ),
        ({"Tags": "A"}, "'Tags' is no list; mend it in the source."),
        ({"Tags": [1]}, "'Tags' is not the string that the schema says; mend it in the source."),
        ({"Units": ["NG01"]}, "'Units' holds what is no object; mend it in the source."),
        (
            {"Synopsis": "half \ud83d of it"},
            "'Synopsis' holds half a character or a NUL; mend it in the source.",
        ),
        ({"Synopsis": "a\0"}, "'Synopsis' holds a NUL; mend it in the source."),
    ],
)
def test_a_json_item_that_cannot_be_decoded_is_refused_by_itself(json_feed, more, reason):
    bad = {"Ref": "A2", "Version": 1, "Caller": "Jane Doe"} | more | {"Score": {"by": "Jane Doe"}}
    json_feed.pages[None] = page_json({"Ref": "A1", "Version": 1}, bad, {"Ref": "A3", "Version": 1})
    read = read_all(json_feed.source())
    assert read.keys == ["A1", "A3"]
    (refused,) = read.refused
    assert (refused.key, refused.reason) == ("A2", reason)
    assert b"Jane" not in refused.raw
    assert json.loads(refused.raw)["Ref"] == "A2"


def test_a_json_item_that_is_no_object_is_refused(json_feed):
    json_feed.pages[None] = page_json(["Jane Doe"], gone=["x"])
    read = read_all(json_feed.source())
    assert [refused.raw for refused in read.refused] == [None, None]


def test_an_unknown_format_of_xml_and_json_is_refused(feed):
    feed.pages[None] = b'{"complete": true}'
    with pytest.raises(TransientError, match="not well formed"):
        feed.source(changed(feed.feed, **XML)).read({})
