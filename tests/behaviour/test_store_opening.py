"""A store is opened by its URL; what is none of this hub's is refused with what to do."""

import threading

import pytest
from sqlalchemy import text

from hub.errors import ConfigurationError, FatalError, TransientError
from hub.view.query import Query
from hub.view.store import open_store
from tests.stores import engine_on
from tests.view_records import JsonCodec


def test_a_store_of_a_newer_hub_is_refused(store_url):
    open_store(store_url).close()
    _change(store_url, "UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(ConfigurationError, match=r"revision 0999, newer than .* of this hub"):
        open_store(store_url)


def test_a_store_whose_tables_differ_is_refused_by_name(store_url):
    open_store(store_url).close()
    _change(store_url, "ALTER TABLE staff DROP COLUMN duty")
    with pytest.raises(ConfigurationError, match="table 'staff' differs from this hub's in duty"):
        open_store(store_url)


def _change(url, statement):
    engine = engine_on(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_two_processes_that_start_at_once_make_the_tables_once(store_url):
    opened = []
    threads = [threading.Thread(target=lambda: opened.append(open_store(store_url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(opened) == 4
    assert Query(opened[0], JsonCodec()).last_change() == 0
    for each in opened:
        each.close()


@pytest.mark.parametrize("url", ["", "nonsense", "sqlite://", "mysql://localhost/hub", "redis:///x"])
def test_another_url_is_refused_with_the_forms_that_are_known(url):
    with pytest.raises(ConfigurationError, match=r"sqlite:///PATH or postgresql://"):
        open_store(url)


def test_the_password_is_in_no_message():
    with pytest.raises(TransientError) as told:
        open_store("postgresql://hub:secret-word@127.0.0.1:1/hub")
    assert "secret-word" not in str(told.value)
    assert "127.0.0.1:1" in str(told.value)


@pytest.mark.postgres
@pytest.mark.parametrize(("right", "wrong"), [("/postgres", "/nothere"), ("hub@", "nobody@")])
def test_a_database_or_user_that_is_not_there_is_for_a_person_to_mend(postgres_server, right, wrong):
    with pytest.raises(ConfigurationError, match=r"does not exist.* Mend its URL or make it"):
        open_store(postgres_server.url().replace(right, wrong))


def test_a_file_that_is_no_store_is_refused(tmp_path):
    file = tmp_path / "store.db"
    file.write_bytes(b"a letter to the chief constable, and not a database" * 100)
    with pytest.raises(FatalError, match=r"store\.db is damaged or not the hub's"):
        open_store(f"sqlite:///{file}")
    assert file.read_bytes().startswith(b"a letter")
