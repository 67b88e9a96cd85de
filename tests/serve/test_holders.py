"""Who is taken out of a file is shut out of a server that runs, and who is added is let in."""

import hashlib

import pytest

from hub.errors import ConfigurationError
from hub.holders import Tokens
from tests.behaviour.server import running
from tests.guarded.authority import Authority
from tests.serve.roles import UNLIMITED
from tests.serve.test_tls import CLIENTS, asked, under_tls
from tests.waiting import wait_until


def entry(name, role="control_room", more=""):
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f'[[tokens]]\nname = "{name}"\nsha256 = "{digest}"\nroles = {{ "*" = ["{role}"] }}\n{more}\n'


FIRST = entry("alice") + entry("bob")


def replace(file, text):
    """Put another file in its place, as editors and orchestrators do."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def write(file, text):
    file.write_text(text)


@pytest.fixture(scope="module")
def running_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("holders")
    write(folder / "tokens.toml", FIRST)
    with running(folder, tokens_file=folder / "tokens.toml", limits=UNLIMITED) as made:
        yield made


@pytest.fixture
def file(running_server):
    return running_server.process.settings.tokens_file


@pytest.fixture
def server(running_server, file):
    replace(file, FIRST)
    wait(running_server, alice=200, bob=200)
    return running_server


def wait(server, **expected):
    """Wait until the server answers each of these tokens so."""

    def found():
        return {name: server.get("/freshness", name).status_code for name in expected}

    wait_until(lambda: found() == expected, lambda: f"{expected}; it is {found()}")


@pytest.mark.parametrize("put", [replace, write])
def test_a_token_taken_out_stops_working_and_one_put_in_works_without_a_restart(server, file, put):
    put(file, entry("bob") + entry("carol"))
    wait(server, alice=401, bob=200, carol=200)


@pytest.mark.parametrize(
    "broken", ["roles = \n", entry("dave", "king"), "\udcff", entry("dave", more="x = 1")]
)
def test_a_token_taken_out_of_a_file_that_is_broken_stops_working_too(server, file, broken):
    text = f"{entry('bob')}\n# {entry('alice').replace(chr(10), ' ')}\n{broken}"
    file.write_text(text, errors="surrogateescape")
    wait(server, alice=401, bob=200, dave=401)

    replace(file, entry("alice") + entry("dave"))
    wait(server, alice=200, bob=401, dave=200)


@pytest.mark.parametrize("take_away", [lambda file: file.unlink(), lambda file: file.write_text("")])
def test_a_file_that_is_gone_or_empty_lets_nobody_in(server, file, take_away):
    take_away(file)
    wait(server, alice=401, bob=401)


def test_a_live_stream_ends_once_its_token_may_do_something_else(server, file):
    with server.client("alice", timeout=120) as client, client.stream("GET", "/changes") as stream:
        lines = stream.iter_lines()
        next(lines)
        replace(file, entry("alice", "analyst") + entry("bob"))
        assert list(lines)
    wait(server, alice=200, bob=200)


def test_a_certificate_whose_entry_is_taken_out_stops_working_without_a_restart(tmp_path):
    authority = Authority(tmp_path, "clients")
    feed, people = authority.issue("feed"), authority.issue("people")
    with under_tls(tmp_path, authority, limits=UNLIMITED) as server:
        assert asked(server, authority, pair=people).status_code == 200
        replace(tmp_path / "clients.toml", CLIENTS.partition('[[clients]]\nname = "people"')[0] + "broken")
        wait_until(lambda: asked(server, authority, pair=people).status_code == 401, lambda: "they were out")
        assert asked(server, authority, pair=feed).status_code == 200


def test_what_is_no_table_of_entries_is_refused_at_the_start(tmp_path):
    for text in ("", "tokens = 3\n", f"{entry('a')}\n[other]\n"):
        write(tmp_path / "tokens.toml", text)
        with pytest.raises(ConfigurationError, match=r"holds \[\[tokens\]\] entries"):
            Tokens(tmp_path / "tokens.toml")
