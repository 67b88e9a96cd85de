"""A hub server on a store filled by the test, reached over real HTTP."""

import contextlib
import hashlib
import json

import httpx

from hub.bus.contract import TopicPartition
from hub.cli.process import Process, start_server
from hub.config import load_settings
from hub.domains import DOMAINS
from hub.view.plan import change_taker
from hub.view.session import Batch, Fresh, Move
from tests.view_records import incident

TOKENS = {
    "leicester-room": ("leicestershire", {"leicestershire": ["control_room"]}),
    "everyone": ("nottinghamshire", {"*": ["control_room"]}),
    "analyst": ("", {"*": ["analyst"]}),
    "incidents-only": ("", {"*": ["incident_reader"]}),
    "leicester-analyst": ("leicestershire", {"leicestershire": ["control_room"], "*": ["analyst"]}),
    "staff-analyst": ("", {"*": ["staff_reader", "analyst"]}),
    "operator": ("", {"*": ["operator"]}),
    "restricted": ("", {"*": ["restricted_reader"]}),
    "approver": ("", {"*": ["approver"]}),
    "monitor": ("", {"*": ["monitor"]}),
    "insider": ("", {"leicestershire": ["operator", "restricted_reader"]}),
}
"""Test tokens: each is its own name."""


def write_tokens(folder):
    lines = []
    for name, (force, roles) in TOKENS.items():
        table = ", ".join(f'"{each}" = {held}' for each, held in roles.items()).replace("'", '"')
        digest = hashlib.sha256(name.encode()).hexdigest()
        lines.append(
            f'[[tokens]]\nname = "{name}"\nforce = "{force}"\nsha256 = "{digest}"\nroles = {{ {table} }}\n'
        )
    file = folder / "tokens.toml"
    file.write_text("\n".join(lines))
    return file


class Server:
    """A running server; `apply` puts records in its store as the view would."""

    def __init__(self, process):
        self.process = process
        self.address = process.address
        self._offsets = dict.fromkeys(DOMAINS, 0)

    def apply(self, domain, *records):
        topic = DOMAINS[domain].topic
        take = change_taker(DOMAINS[domain])
        encode = self.process.parts.codec.encoder(topic)
        partition = TopicPartition(topic, 0)
        before = self._offsets[domain]
        self._offsets[domain] = before + len(records)
        store = self.process.parts.store
        store.declare([partition])
        store.apply(
            [Batch(domain, [take(record, encode(record)) for record in records])],
            {partition: Move(before, before + len(records))},
        )

    def complete(self, force, domain, micros):
        self.process.parts.store.declare_feeds([(force, domain)])
        self.process.parts.store.keep_freshness([Fresh(force, domain, micros)], micros)

    def client(self, token=None, **more):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(
            base_url=self.address, headers=headers | more.pop("headers", {}), **{"timeout": 60} | more
        )

    def get(self, path, token=None, **more):
        with self.client(token) as client:
            return client.get(path, **more)


@contextlib.contextmanager
def running(folder, **settings):
    process = Process(load_settings(state=folder, port=0, environ={}).model_copy(update=settings))
    process.parts.topics(create=True)
    start_server(process)
    try:
        yield Server(process)
    finally:
        process.stop()


def an_incident(key, **more):
    return incident(key, **({"grade": "PRIORITY"} | more))


def events(stream):
    """The kind and data of each event of a live stream."""
    kind = None
    for line in stream.iter_lines():
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield kind, json.loads(line.removeprefix("data: "))


def ids(answer):
    """The keys of the records that were answered."""
    assert answer.status_code == 200, answer.text
    return [record["source_key"].removeprefix("command:") for record in answer.json()["records"]]
