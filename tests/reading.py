"""Feeds of files and pages made up for a test, and sources read to their end."""

import dataclasses
import json
import threading
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connectors.source import Batch, Refused, Row
from hub.forces import Feed

TEXT = ["null", "string"]


def feed_of(folder, columns, **source):
    """A feed whose row has these columns: names, or names with Avro types."""
    types = columns if isinstance(columns, dict) else dict.fromkeys(columns, TEXT)
    fields = [
        {"name": name.replace(" ", "_"), "type": kind, "column": name, "default": None, "doc": "A column."}
        for name, kind in types.items()
    ]
    row = {"name": "row", "doc": "The row.", "type": {"type": "record", "name": "Row", "fields": fields}}
    schema = folder / "incident.avsc"
    schema.write_text(json.dumps({"type": "record", "name": "Incident", "fields": [row]}))
    return Feed("lincolnshire", "incident", "command", folder, schema, source, {}, False)


def changed(feed, **source):
    """The same feed with other settings; None takes one out."""
    merged = {**feed.source, **source}
    return dataclasses.replace(feed, source={k: v for k, v in merged.items() if v is not None})


@dataclass
class Read:
    """What reading came to."""

    batches: list[Batch] = field(default_factory=list)
    position: Any = field(default_factory=dict)

    @property
    def all(self):
        return [row for batch in self.batches for row in batch.rows]

    @property
    def rows(self):
        return [row for row in self.all if isinstance(row, Row)]

    @property
    def refused(self):
        return [row for row in self.all if isinstance(row, Refused)]

    @property
    def keys(self):
        return [row.key for row in self.rows]

    @property
    def notes(self):
        return [note for batch in self.batches for note in batch.notes]

    @property
    def other_force(self):
        return sum(batch.other_force for batch in self.batches)

    @property
    def complete_to(self):
        return self.batches[-1].complete_to

    @property
    def ended(self):
        """The snapshots that ended proved whole."""
        return [batch.snapshot for batch in self.batches if batch.snapshot_ends]


def read_all(source, position=None, *, most=10_000):
    """Read until nothing more is waiting."""
    read = Read(position={} if position is None else position)
    for _ in range(most):
        batch = source.read(read.position)
        read.batches.append(batch)
        read.position = batch.position
        if not batch.more:
            return read
    raise AssertionError(f"there was always more to read, {most} times")


def kept(position):
    """What is left of a position after the process has ended, as JSON brings it back."""
    return json.loads(json.dumps({name: value for name, value in position.items() if name[0] != "~"}))


@dataclass(frozen=True)
class Request:
    query: dict[str, str]
    headers: Message


class Answers(ThreadingHTTPServer):
    """An HTTP server that answers what a test tells it: (status, headers, body) of a request."""

    daemon_threads = True

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.requests = []
        self.location = f"http://127.0.0.1:{self.server_address[1]}/incidents"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self):
        self.shutdown()
        self.server_close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self):
        request = Request(dict(parse_qsl(urlsplit(self.path).query)), self.headers)
        self.server.requests.append(request)
        status, headers, body = self.server.answer(request)
        self.send_response_only(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
