"""A store of each kind for the tests, and what is asked of it most."""

import itertools
from urllib.parse import quote

import pytest
from sqlalchemy import create_engine, text

from hub.bus.contract import TopicPartition
from hub.view.query import Query
from hub.view.session import Move
from hub.view.store import open_store
from hub.view.tables import CHANGE_COUNTER, METADATA, STORE_VERSION
from tests.view_records import JsonCodec, batch

TP = TopicPartition("alliance.incident.v1", 0)


SCHEMAS = itertools.count(1)


@pytest.fixture
def postgres_schema_url(postgres_server):
    """The URL of an empty schema on PostgreSQL; made much sooner than a database."""
    schema = f"store_{next(SCHEMAS)}"
    postgres_server.execute(f"CREATE SCHEMA {schema}")
    yield f"{postgres_server.url()}?options={quote(f'-csearch_path={schema}')}"
    postgres_server.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request, tmp_path):
    """The URL of an empty store, once on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return request.getfixturevalue("postgres_schema_url")


@pytest.fixture
def store(store_url):
    """An empty store, once on each database."""
    opened = open_store(store_url)
    yield opened
    opened.close()


@pytest.fixture
def quick_store(quick_path):
    """An empty store in memory, for what is tried many times over."""
    opened = open_store(f"sqlite:///{quick_path}/store.db")
    yield opened
    opened.close()


@pytest.fixture
def query(store):
    """Questions to `store`, whose bodies are JSON."""
    return Query(store, JsonCodec())


def engine_on(url):
    """SQLAlchemy's own way into a store, for what the hub would not do."""
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


def wipe(store):
    """Have a store hold nothing, as if it were new."""
    with store._engine.begin() as connection:
        for table in METADATA.sorted_tables:
            if table not in {STORE_VERSION, CHANGE_COUNTER}:
                connection.execute(table.delete())
        connection.execute(text("UPDATE change_counter SET last = 0"))


def put(store, *batches, partition=TP):
    """Apply batches as a view would that reads them from one partition."""
    before = store.declare([partition])[partition].next_offset
    count = sum(len(each.changes) for each in batches)
    return store.apply(batches, {partition: Move(before, before + count)})


def put_records(store, domain, *records):
    return put(store, batch(domain, *records))


def keys(page):
    """The last part of each record's id on a page."""
    return [item.record["id"].rpartition(":")[2] for item in page.items]
