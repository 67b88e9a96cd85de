"""Drops over SFTP, from a real OpenSSH server that allows reading alone."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from connectors.sources.files import FilesSource
from hub.errors import ConfigurationError, TransientError
from tests import needs
from tests.drops import Folder
from tests.reading import kept, read_all

LINE = b"1,01/11/2016,N,a"


class Server:
    """sshd on a free port of 127.0.0.1, which lets this user in by one key."""

    def __init__(self, folder, program):
        self._folder, self._program = folder, program
        self.user = getpass.getuser()
        for name in ("host", "user", "other"):
            keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(keygen, check=True)
        shutil.copy(folder / "user.pub", folder / "authorized_keys")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.know("host.pub")
        self._process = None
        self.start()

    def know(self, key):
        """Write which key the server is known by."""
        kind, text, *_ = (self._folder / key).read_text().split()
        (self._folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {text}\n")

    def start(self):
        options = {
            "Port": self.port, "ListenAddress": "127.0.0.1", "PidFile": "none",
            "HostKey": self._folder / "host",
            "AuthorizedKeysFile": self._folder / "authorized_keys", "StrictModes": "no", "UsePAM": "no",
            "PasswordAuthentication": "no", "PermitRootLogin": "yes", "Subsystem": "sftp internal-sftp -R",
        }  # fmt: skip
        config = self._folder / "sshd_config"
        config.write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        self._process = subprocess.Popen(
            [self._program, "-D", "-e", "-f", str(config)], stderr=subprocess.PIPE, text=True
        )
        for line in self._process.stderr or ():
            if "Server listening" in line:
                return
        pytest.fail(f"sshd did not start: exit {self._process.wait()}")

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None

    def location(self, path, known_hosts="known_hosts"):
        return f"sftp://{self.user}@127.0.0.1:{self.port}{path}?known_hosts={self._folder / known_hosts}"

    def secret(self, name="user"):
        return (self._folder / name).read_text().strip()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None or shutil.which("ssh-keygen") is None:
        needs.missing("install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # made by its service, where that runs
    server = Server(tmp_path_factory.mktemp("sshd"), program)
    yield server
    server.stop()


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path)
    yield folder
    folder.close()


def over_sftp(folder, server, secret=None, **more):
    location = server.location(folder.path, **more)
    return contextlib.closing(
        FilesSource(folder.feed, location, secret or server.secret(), ticks=lambda: folder.now)
    )


def test_drops_are_read_over_sftp_and_resumed_by_line(folder, server):
    folder.drop("INC_1.csv", *(b"%d,01/11/2016,N," % n for n in range(2500)))
    folder.drop("INC_2.csv", LINE, marked=False)
    before = {file.name: file.stat().st_mtime_ns for file in folder.path.iterdir()}
    with over_sftp(folder, server) as source:
        first = source.read({})
    with over_sftp(folder, server) as source:
        rest = read_all(source, kept(first.position))
        assert source.count() == 2500
    assert [int(row.values["Log_No"]) for row in (*first.rows, *rest.rows)] == list(range(2500))
    assert rest.complete_to is None
    assert rest.notes == ["file INC_2.csv waits for its marker INC_2.csv.done."]
    assert {file.name: file.stat().st_mtime_ns for file in folder.path.iterdir()} == before


def test_a_server_that_goes_away_is_asked_again_and_reading_goes_on(folder, server):
    folder.drop("INC_1.csv", *(b"%d,01/11/2016,N," % n for n in range(1500)))
    with over_sftp(folder, server) as source:
        first = source.read({})
        source._folder._client.get_transport().sock.shutdown(socket.SHUT_RDWR)
        server.stop()
        with pytest.raises(TransientError, match="sftp://"):
            source.read(first.position)
        with pytest.raises(TransientError):
            source.read(first.position)
        server.start()
        rest = read_all(source, first.position)
    assert len(rest.rows) == 500


def test_a_server_whose_key_is_another_is_not_trusted(folder, server):
    server.know("other.pub")
    try:
        with (
            over_sftp(folder, server) as source,
            pytest.raises(ConfigurationError, match="key is not the one"),
        ):
            source.read({})
    finally:
        server.know("host.pub")


def test_a_server_that_is_not_known_is_not_trusted(folder, server, tmp_path):
    (tmp_path / "none").touch()
    said = pytest.raises(ConfigurationError, match=r"has no key for .*add it, checked by hand.*SHA256:")
    with over_sftp(folder, server, known_hosts=tmp_path / "none") as source, said:
        source.read({})


@pytest.mark.parametrize("other_key", [True, False])
def test_a_refused_secret_says_so_and_does_not_show_it(folder, server, other_key):
    secret = server.secret("other") if other_key else "hunter2-hunter2"
    refused = pytest.raises(ConfigurationError, match="user or secret refused")
    with over_sftp(folder, server, secret) as source, refused as raised:
        source.read({})
    assert secret not in str(raised.value)


def test_a_folder_that_is_not_there_is_asked_for_again(folder, server, tmp_path):
    folder.path = tmp_path / "gone"
    with over_sftp(folder, server) as source, pytest.raises(TransientError, match="no such folder"):
        source.read({})


def test_what_is_wrong_with_a_location_is_said_all_at_once(folder):
    with pytest.raises(ConfigurationError) as raised:
        FilesSource(folder.feed, "sftp://me:secret@host:port/drops?key=1", None)
    lines = str(raised.value).splitlines()
    assert len(lines) == 5
    for said in (
        "secret_file",
        "?known_hosts=FILE",
        "'key' is not known",
        "private key or the password",
        "port",
    ):
        assert any(said in line for line in lines)
    assert "secret@" not in str(raised.value)


def test_a_key_that_cannot_be_read_is_refused(folder, server):
    secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nnonsense\n-----END OPENSSH PRIVATE KEY-----"
    refused = pytest.raises(ConfigurationError, match="holds a private key that cannot be read")
    with over_sftp(folder, server, secret) as source, refused:
        source.read({})
