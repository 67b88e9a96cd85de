"""A PostgreSQL of its own for the tests: temporary, on a free port of 127.0.0.1, gone afterwards.

`postgres_url` gives each test a fresh database. The server runs under a shell that waits for
the end of a pipe from this process, so it is stopped and its folder removed whatever ends us.
TEST_POSTGRES_IMAGE has the tests that share a server share a container of that image instead.
"""

import atexit
import contextlib
import functools
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from deploy.kafka.broker import free_port
from tests.needs import missing
from tests.postgres_container import IMAGE_VARIABLE, container_address
from tests.waiting import PATIENCE_SECONDS

REMEDY = "install PostgreSQL 15 (Debian: postgresql-15)"
HOMES = (Path("/usr/lib/postgresql/15/bin"), Path("/usr/local/bin"))
GUARD = '"$1" -D "$2" -h 127.0.0.1 -p "$3" -k "" & s=$!; cat >/dev/null; kill -QUIT $s; wait $s; rm -rf "$2"'


class Server:
    """A running server. `url` names a database, which `create` makes and `drop` removes."""

    def __init__(self, address):
        self._address = address
        self._numbers = itertools.count(1)

    def url(self, database="postgres"):
        return f"{self._address}/{database}"

    def execute(self, statement):
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def create(self):
        database = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {database}")
        return database

    def drop(self, database):
        self.execute(f"DROP DATABASE {database} WITH (FORCE)")


class Postgres(Server):
    """A server of our own, that can be killed and started anew."""

    def __init__(self, port, folder, user):
        super().__init__(f"postgresql://hub@127.0.0.1:{port}")
        self.port = port
        self._folder, self._user = folder, user
        self._guards = []

    @property
    def pid(self):
        """The shell that guards the server; the server is its child."""
        return self._guards[-1].pid

    def start(self):
        """Return once it answers; after a kill it goes on with the data it had."""
        command = ["sh", "-c", GUARD, "sh", _program("postgres"), self._folder, str(self.port)]
        log = Path(self._folder, "log")
        with log.open("ab") as sink:
            guard = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                **_as(self._user),
            )
        self._guards.append(guard)
        _wait_until_up(self, log)

    def kill(self):
        """End it as a power cut would."""
        server = int(Path(self._folder, "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        for pid in (server, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self):
        for guard in reversed(self._guards):
            guard.stdin.close()
            guard.wait(PATIENCE_SECONDS)


def start_postgres(*options):
    """Start a server, durable as by default; `options` are further `name=value` settings."""
    folder, user = tempfile.mkdtemp(prefix="alliance-hub-postgres-"), _user()
    if user is not None:
        os.chown(folder, *user)
    initdb = [_program("initdb"), "-D", folder, "-U", "hub", "-A", "trust", "-E", "UTF8"]
    _run([*initdb, "--locale=C.UTF-8", "--no-sync"], user)
    with Path(folder, "postgresql.auto.conf").open("a") as settings:
        settings.writelines(f"{option.replace('=', ' = ', 1)}\n" for option in options)
    server = Postgres(free_port(), folder, user)
    server.start()
    return server


def _wait_until_up(server, log):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return server.execute("SELECT 1")
        except psycopg.OperationalError:
            if time.monotonic() > deadline or "is shut down" in log.read_text():
                text = log.read_text()
                server.stop()
                pytest.fail(f"PostgreSQL did not start: {text}")
            time.sleep(0.05)


def _program(name):
    for home in HOMES:
        if (home / name).exists():
            return str(home / name)
    return shutil.which(name) or missing(REMEDY)


def _user():
    """Whom to run as: initdb refuses root, so then the server's own user, or nobody."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    return missing("make a user 'postgres' or 'nobody', for PostgreSQL refuses to run as root")


def _as(user):
    return {} if user is None else {"user": user[0], "group": user[1], "extra_groups": []}


def _run(command, user):
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", **_as(user))
    if done.returncode:
        pytest.fail(f"{command[0]} failed: {done.stderr}")


@functools.cache
def _shared():
    image = os.environ.get(IMAGE_VARIABLE)
    if image:
        return Server(container_address(image))
    server = start_postgres("fsync=off")  # no test of those that share it cuts the machine's power
    atexit.register(server.stop)
    return server


@pytest.fixture(scope="session")
def postgres_server():
    """The server that all tests share."""
    return _shared()


@pytest.fixture
def postgres_url(postgres_server):
    """The URL of a database of this test's own."""
    database = postgres_server.create()
    yield postgres_server.url(database)
    postgres_server.drop(database)
