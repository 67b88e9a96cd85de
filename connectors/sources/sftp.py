"""A folder over SFTP: the server's key must be known beforehand, and files are only ever opened to read."""

import io
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import parse_qs, unquote, urlsplit

import paramiko

from connectors.sources.folder import Look, Wanted
from hub.errors import ConfigurationError, EnvironmentMissingError, TransientError

_SECONDS = 20


class SftpFolder:
    """A folder at `sftp://user@host:port/path?known_hosts=FILE`; the secret is a private key or a password.

    Connects when first needed, and again after an error.
    """

    def __init__(self, location: str, secret: str | None) -> None:
        url = urlsplit(location)
        query = parse_qs(url.query)
        self._host, self._user, self._path = url.hostname or "", url.username or "", unquote(url.path)
        self._known_hosts = query.pop("known_hosts", [""])[0]
        self._shown = f"sftp://{self._user}@{self._host}{self._path}"
        problems = list(self._problems(url.password, query, secret))
        try:
            self._port = url.port or 22
        except ValueError:
            problems.append("the port is not a number.")
        if problems:
            raise ConfigurationError(
                "\n".join(f"Location '{self._shown}': {problem}" for problem in problems)
            )
        self._secret = secret or ""
        self._client: paramiko.SSHClient | None = None
        self._session: paramiko.SFTPClient | None = None

    def list(self, wanted: Wanted) -> tuple[dict[str, Look], set[str]]:
        with self._speaking() as session:
            try:
                entries = session.listdir_attr(self._path)
            except FileNotFoundError:
                raise TransientError(f"{self._shown}: no such folder; correct `location`.") from None
            except PermissionError:
                raise EnvironmentMissingError(
                    f"{self._shown}: '{self._user}' is not allowed to list it; have that granted."
                ) from None
        drops = [entry for entry in entries if wanted(entry.filename)]
        looks = {drop.filename: _look(drop) for drop in drops if stat.S_ISREG(drop.st_mode or 0)}
        return looks, {entry.filename for entry in entries} - looks.keys()

    def look(self, name: str) -> Look:
        with self._speaking() as session:
            return _look(session.stat(f"{self._path}/{name}"))

    def open(self, name: str) -> BinaryIO:
        with self._speaking() as session:
            handle = session.open(f"{self._path}/{name}", "rb")
        return cast(BinaryIO, io.BufferedReader(_Remote(handle, self._speaking), 256 * 1024))

    def close(self) -> None:
        for each in (self._session, self._client):
            if each is not None:
                each.close()
        self._session = self._client = None

    def _problems(
        self, password: str | None, query: Mapping[str, object], secret: str | None
    ) -> Iterator[str]:
        if not self._host or not self._user:
            yield "give user and host, as in sftp://user@host/path."
        if password is not None:
            yield "the password does not belong here; put it in a file and name that in `secret_file`."
        if not self._known_hosts:
            yield "add ?known_hosts=FILE, with the server's key as `ssh-keyscan` prints it, checked by hand."
        elif not Path(self._known_hosts).is_file():
            yield f"known_hosts names '{self._known_hosts}', which is not a file."
        if query:
            yield f"'{next(iter(query))}' is not known; only known_hosts is."
        if not secret:
            yield "name a `secret_file` with the private key or the password in it."

    @contextmanager
    def _speaking(self) -> Iterator[paramiko.SFTPClient]:
        """Speak to the server; what goes wrong on the way is told and the connection left."""
        try:
            yield self._session or self._connect()
        except (FileNotFoundError, PermissionError):
            raise
        except paramiko.BadHostKeyException as error:
            self.close()
            raise ConfigurationError(
                f"{self._shown}: the server's key is not the one that '{self._known_hosts}' says. Find out "
                "why; if it was changed on purpose, replace it there."
            ) from error
        except paramiko.AuthenticationException as error:
            self.close()
            raise ConfigurationError(
                f"{self._shown}: user or secret refused; check the secret file."
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            self.close()
            raise TransientError(f"{self._shown}: {type(error).__name__}: {error}.") from error

    def _connect(self) -> paramiko.SFTPClient:
        key = _private_key(self._secret) if self._secret.startswith("-----BEGIN") else None
        client = self._client = paramiko.SSHClient()
        client.load_host_keys(self._known_hosts)
        client.set_missing_host_key_policy(_Unknown(self._known_hosts))
        client.connect(
            self._host,
            self._port,
            self._user,
            password=None if key else self._secret,
            pkey=key,
            allow_agent=False,
            look_for_keys=False,
            timeout=_SECONDS,
            banner_timeout=_SECONDS,
            auth_timeout=_SECONDS,
            channel_timeout=_SECONDS,
        )
        self._session = client.open_sftp()
        channel = self._session.get_channel()
        if channel is not None:
            channel.settimeout(_SECONDS)
        return self._session


class _Unknown(paramiko.MissingHostKeyPolicy):
    def __init__(self, known_hosts: str) -> None:
        self._known_hosts = known_hosts

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        del client
        raise ConfigurationError(
            f"'{self._known_hosts}' has no key for {hostname}; add it, checked by hand: the server shows "
            f"{key.get_name()} {key.fingerprint}."
        )


class _Remote(io.RawIOBase):
    """A remote file as a stream; an error of the line is a TransientError."""

    def __init__(
        self, handle: paramiko.SFTPFile, speaking: Callable[[], AbstractContextManager[paramiko.SFTPClient]]
    ) -> None:
        self._handle, self._speaking = handle, speaking

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with self._speaking():
            data = self._handle.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        with self._speaking():
            self._handle.seek(offset, whence)
            return self._handle.tell()

    def close(self) -> None:
        if not self.closed:
            self._handle.close()
        super().close()


def _look(entry: paramiko.SFTPAttributes) -> Look:
    return Look(entry.st_size or 0, int(entry.st_mtime or 0) * 1_000_000_000)


def _private_key(secret: str) -> paramiko.PKey:
    kinds = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
    for kind in kinds:
        try:
            return kind.from_private_key(io.StringIO(secret + "\n"))
        except (paramiko.SSHException, ValueError):
            continue
    raise ConfigurationError(
        "The secret file holds a private key that cannot be read; it must be an Ed25519, ECDSA or RSA key "
        "without a passphrase."
    )
