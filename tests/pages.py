"""Feeds of XML and JSON made up for a test, and what their pages look like."""

import contextlib
import json

from connectors.sources.feed import FeedSource
from tests.reading import Answers, feed_of

UNIT = {
    "type": "record", "name": "Unit",
    "fields": [{"name": n, "type": ["null", "string"], "default": None} for n in ("callsign", "status")],
}  # fmt: skip
COLUMNS = {
    "Ref": ["null", "string"],
    "Version": ["null", "long"],
    "Modified": ["null", "string"],
    "Synopsis": ["null", "string"],
    "Confidential": ["null", "boolean"],
    "Score": ["null", "double"],
    "Tags": ["null", {"type": "array", "items": "string"}],
    "Units": ["null", {"type": "array", "items": UNIT}],
}
BOTH = {"kind": "feed", "key": ["Ref"], "version": {"number": "Version"}, "changed": "Modified"}
XML = {
    **BOTH, "item": "Incident", "lists": {"Tags": "Tag", "Units": "Unit"},
    "removal": {"item": "Removal", "key": ["ref"], "version": "version"},
}  # fmt: skip
JSON = {
    **BOTH, "format": "json", "item": "found.incidents",
    "page": {"next": "links.next", "complete": "complete", "as_of": "as_of", "count": "total"},
    "removal": {"item": "gone", "key": ["ref"], "version": "version"},
}  # fmt: skip
AS_OF = "2016-11-01T12:00:00.25Z"
AS_OF_MICROS = 1_478_001_600_250_000


def xml(*items, following="", complete=True, as_of=AS_OF):
    """A page of these elements, each text."""
    facts = f'next="{following}" complete="{str(complete).lower()}" asOf="{as_of}"'
    return f"<?xml version='1.0' encoding='utf-8'?>\n<Feed {facts}>{''.join(items)}</Feed>".encode()


def incident(ref="A1", version=1, more=""):
    return f"<Incident><Ref>{ref}</Ref><Version>{version}</Version>{more}</Incident>"


def page_json(*items, following=None, complete=True, gone=(), as_of=AS_OF):
    page = {
        "found": {"incidents": items},
        "links": {"next": following},
        "complete": complete,
        "gone": gone,
        "as_of": as_of,
    }
    return json.dumps(page).encode()


class Pages:
    """A feed of pages by token, and sources that read it. A page is bytes, or an answer of its own."""

    def __init__(self, folder, pages=None, *, settings=XML):
        self.pages = pages if pages is not None else {}
        self.now = 1_480_000_000.0
        self.feed = feed_of(folder, COLUMNS, **settings)
        self._opened = contextlib.ExitStack()
        self.server = self._opened.enter_context(Answers(self._answer))

    @property
    def requests(self):
        return self.server.requests

    @property
    def asked(self):
        """The tokens asked with, in order."""
        return [request.query.get("token") for request in self.requests]

    def source(self, feed=None, secret=None, location=None):
        source = FeedSource(
            feed or self.feed, location or self.server.location, secret, clock=lambda: self.now
        )
        self._opened.callback(source.close)
        return source

    def close(self):
        self._opened.close()

    def _answer(self, request):
        page = self.pages[request.query.get("token")]
        if callable(page):
            page = page(request)
        return (200, {}, page) if isinstance(page, bytes) else page
