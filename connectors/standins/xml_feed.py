"""Nottinghamshire's command and control: an XML feed over HTTP, paged with a continuation token."""

import datetime as dt
import sqlite3
import threading
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape, quoteattr

from connectors.standins.planted import PLANTED
from connectors.standins.truth import TruthIncident, local
from connectors.standins.vocabulary import Vocabulary
from hub.events import source_key

PAGE = 500
_TABLES = """
create table if not exists items
    (ref text primary key, version integer, place integer unique, removed integer, body text);
"""


class XmlFeed:
    """Incidents as a feed of changes: each at its newest version, in order of its last change.

    The content is kept in a SQLite file, so tokens hold over a restart. It listens on `address`;
    port 0 takes a free one.
    """

    def __init__(
        self, file: Path, vocabulary: Vocabulary, *, address: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        self._vocabulary = vocabulary
        self._lock = threading.Lock()
        file.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=off")
        self._db.executescript(_TABLES)
        self._server = _Server(address, self)
        self.location = f"http://{address[0]}:{self._server.server_address[1]}/incidents"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def key(self, truth: TruthIncident) -> str:
        return source_key(_ref(truth))

    def create(self, truths: Sequence[TruthIncident], at: Sequence[dt.datetime]) -> None:
        """Add items; all of them appear in the feed at once."""
        self._write([(truth, instant, False) for truth, instant in zip(truths, at, strict=True)])

    update = create

    def remove(self, truth: TruthIncident, at: dt.datetime) -> None:
        """Put a Removal in the item's place."""
        self._write([(truth, at, True)])

    def repeat(self, truth: TruthIncident) -> None:
        """Send the item again as it is, as a feed does that promises at least once."""
        with self._lock:
            self._db.execute(
                "update items set place = (select max(place) from items) + 1 where ref = ?", (_ref(truth),)
            )

    def tick(self, at: dt.datetime) -> None:
        """Nothing is waiting here: an item is in the feed once it is written."""

    def finish(self) -> None:
        """Nothing is waiting here either."""

    def count(self) -> int:
        """The items not removed, counted in the feed's own store."""
        with self._lock:
            return int(self._db.execute("select count(*) from items where not removed").fetchone()[0])

    def page(self, token: str, now: dt.datetime) -> tuple[str, bytes]:
        """One page after `token` and its entity tag; `ValueError` for a token it never gave."""
        after = int(token or "0")
        with self._lock:
            rows = self._db.execute(
                "select body, place from items where place > ? order by place limit ?", (after, PAGE + 1)
            ).fetchall()
        complete = len(rows) <= PAGE
        rows = rows[:PAGE]
        following = rows[-1][1] if rows else after
        head = (
            f'<Feed next="{following}" complete="{str(complete).lower()}"'
            f' asOf="{now.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}">'
        )
        body = "".join(
            ["<?xml version='1.0' encoding='utf-8'?>\n", head, *(row[0] for row in rows), "</Feed>"]
        )
        return f'"{after}-{following}"', body.encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self._lock:
            self._db.close()

    def _write(self, items: Sequence[tuple[TruthIncident, dt.datetime, bool]]) -> None:
        with self._lock:
            self._db.execute("begin immediate")
            (place,) = self._db.execute("select coalesce(max(place), 0) from items").fetchone()
            for number, (truth, at, removed) in enumerate(items, place + 1):
                ref = _ref(truth)
                row = self._db.execute("select version from items where ref = ?", (ref,)).fetchone()
                version = 1 if row is None else row[0] + 1
                body = _removal(ref, version) if removed else self._item(truth, version, at)
                self._db.execute(
                    "insert or replace into items values (?, ?, ?, ?, ?)",
                    (ref, version, number, removed, body),
                )
            self._db.execute("commit")

    def _item(self, truth: TruthIncident, version: int, at: dt.datetime) -> str:
        word, place = self._vocabulary.local, truth.place
        texts = {
            "Ref": _ref(truth),
            "Version": str(version),
            "Modified": f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "Raised": _text(truth.created),
            "Assigned": _text(truth.dispatched),
            "Attended": _text(truth.arrived),
            "Resolved": _text(truth.closed),
            "State": word("status", truth.status),
            "Priority": word("grade", truth.grade),
            "OpeningCode": word("code", truth.opening),
            "ClosingCode": word("code", truth.closing),
            "Synopsis": truth.summary,
            "Caller": PLANTED["Caller"],
            "Address": place.text,
            "Postcode": place.postcode,
            "UPRN": place.uprn,
            "Latitude": "" if place.latitude is None else f"{place.latitude:.6f}",
            "Longitude": "" if place.longitude is None else f"{place.longitude:.6f}",
            "Beat": place.beat,
            "Niche": truth.niche,
            "Marking": word("marking", truth.marking),
            "Confidential": str(truth.restricted).lower(),
        }
        tags = "".join(f"<Tag>{word('qualifier', each)}</Tag>" for each in truth.qualifiers)
        units = "".join(
            f"<Unit callsign={quoteattr(unit.callsign)} status={quoteattr(word('unit_state', unit.state))}/>"
            for unit in truth.units
        )
        elements = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in texts.items() if text)
        return f"<Incident>{elements}<Tags>{tags}</Tags><Units>{units}</Units></Incident>"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], feed: XmlFeed) -> None:
        super().__init__(address, _Handler)
        self.feed = feed


class _Handler(BaseHTTPRequestHandler):
    """Answers one GET and closes: `?token=` a page after it, `?count=1` the live items."""

    server: _Server

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "count" in query:
            self._answer(HTTPStatus.OK, f'<Feed count="{self.server.feed.count()}"/>'.encode())
            return
        try:
            tag, body = self.server.feed.page(query.get("token", [""])[0], dt.datetime.now(dt.UTC))
        except ValueError:
            self._answer(HTTPStatus.GONE, b"<Error>unknown token</Error>")
            return
        if self.headers.get("If-None-Match") == tag:
            self._answer(HTTPStatus.NOT_MODIFIED, b"", tag)
        else:
            self._answer(HTTPStatus.OK, body, tag)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 named by the library
        """Say nothing: requests are no news."""

    def _answer(self, status: HTTPStatus, body: bytes, tag: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        if tag:
            self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(body)


def _ref(truth: TruthIncident) -> str:
    return f"NG-{truth.date:%Y%m%d}-{truth.number:04}"


def _removal(ref: str, version: int) -> str:
    return f"<Removal ref={quoteattr(ref)} version='{version}'/>"


def _text(instant: dt.datetime | None) -> str:
    return "" if instant is None else local(instant).strftime("%Y-%m-%dT%H:%M:%S")
