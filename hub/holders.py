"""Files that tell who somebody is: read at the start, and again whenever they have changed."""

import datetime as dt
import hashlib
import hmac
import threading
import time
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from hub.access import ROLES, Principal
from hub.errors import ConfigurationError

log = structlog.get_logger()

_LOOK_SECONDS = 1.0


class Holder(BaseModel, ABC):
    """An entry of such a file: somebody's name, and their roles per force."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    force: str = ""
    roles: dict[str, frozenset[str]]
    expires: dt.date | None = None

    @property
    @abstractmethod
    def known_by(self) -> str:
        """The value of the entry by which its holder is known."""

    @field_validator("roles")
    @classmethod
    def _known(cls, roles: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
        if unknown := sorted(set().union(*roles.values()) - ROLES.keys()):
            raise ValueError(f"unknown role '{unknown[0]}'; known are {', '.join(ROLES)}")
        return roles

    def principal(self, today: dt.date) -> Principal | None:
        """Who this is; None once the entry has expired."""
        if self.expires is not None and self.expires < today:
            return None
        return Principal(self.name, self.force, self.roles)


Entry = TypeVar("Entry", bound=Holder)


class HoldersFile(Generic[Entry]):
    """The entries `[[table]]` of a TOML file, as the file is now, looked at once a second at most.

    Raises `ConfigurationError` with every problem of the file where it is made. Of a file that cannot
    be used later on, a log line tells; until it is mended nobody new is known, and of the others those
    alone who still stand in it: who was taken out stays out, whatever else that edit broke. Safe to use
    from any thread.
    """

    def __init__(
        self, file: Path, table: str, kind: type[Entry], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = file
        self._table = table
        self._kind = kind
        self._now = now
        self._lock = threading.Lock()
        self._content = self._read()
        self._entries: Sequence[Entry] = self._parse(self._content)
        self._looked_at = now()

    def entries(self) -> Sequence[Entry]:
        with self._lock:
            if self._now() - self._looked_at >= _LOOK_SECONDS:
                self._look()
                self._looked_at = self._now()
            return self._entries

    def _look(self) -> None:
        """Compare the content itself: two edits within a tick of the file system's clock look alike."""
        content, before = b"", self._content
        try:
            content = self._read()
            if content != before:
                self._entries = self._parse(content)
                log.info("read again", file=str(self._file), entries=len(self._entries))
        except ConfigurationError as error:
            if content != before:
                self._entries = [entry for entry in self._entries if _stands(entry.known_by, content)]
                log.error("not read again", message=str(error), entries_left=len(self._entries))
        self._content = content

    def _read(self) -> bytes:
        try:
            return self._file.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{self._where}: {error.strerror}.") from error

    def _parse(self, content: bytes) -> list[Entry]:
        try:
            found = tomllib.loads(content.decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{self._where} is not TOML: {error}.") from error
        entries = found.get(self._table)
        if not entries or not isinstance(entries, list) or found.keys() - {self._table}:
            raise ConfigurationError(
                f"{self._where} holds [[{self._table}]] entries, at least one, and nothing else."
            )
        problems: list[str] = []
        one = f"{self._file}: {self._table.removesuffix('s')}"
        holders = [self._checked(entry, f"{one} {n}", problems) for n, entry in enumerate(entries, 1)]
        if problems:
            raise ConfigurationError("\n".join(problems))
        return [holder for holder in holders if holder is not None]

    def _checked(self, entry: Any, where: str, problems: list[str]) -> Entry | None:
        try:
            return self._kind.model_validate(entry)
        except ValidationError as error:
            problems += [
                f"{where}: '{'.'.join(map(str, e['loc'])) or 'entry'}': {e['msg']}." for e in error.errors()
            ]
            return None

    @property
    def _where(self) -> str:
        return f"{self._table}_file '{self._file}'"


def _stands(value: str, content: bytes) -> bool:
    """Whether a value stands in quotes in the content, but for its comments."""
    lines = [line for line in content.splitlines() if not line.lstrip().startswith(b"#")]
    return any(f"{quote}{value}{quote}".encode() in line for line in lines for quote in "\"'")


class _Token(Holder):
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def known_by(self) -> str:
        return self.sha256


class Tokens:
    """The bearer tokens of a TOML file, which holds their SHA-256 and never a token itself.

        [[tokens]]
        name = "leicester-control-room"
        force = "leicestershire"
        sha256 = "…"
        roles = { "*" = ["control_room"] }
        expires = 2027-01-31

    The file is a `HoldersFile`, with its promises.
    """

    def __init__(self, file: Path) -> None:
        self._file = HoldersFile(file, "tokens", _Token)

    def principal(self, token: str, today: dt.date) -> Principal | None:
        """Who bears this token; None where nobody does, or it has expired."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = [t for t in self._file.entries() if hmac.compare_digest(t.sha256, digest)]
        return found[0].principal(today) if found else None
