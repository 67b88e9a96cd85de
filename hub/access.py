"""Who asks, and what they may see: every read and every verb passes `Policy.decide`, which fails closed."""

import datetime as dt
import hashlib
import hmac
import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from hub.errors import ConfigurationError

ALL_FORCES = "*"
READ = "read"
OPERATE = "operate"
APPROVE = "approve"
OBSERVE = "observe"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one role allows on the records of the forces it is held for."""

    verbs: frozenset[str]
    domains: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()


def _reads(*domains: str, classes: tuple[str, ...] = ()) -> Grant:
    return Grant(frozenset({READ}), frozenset(domains), frozenset(classes))


ROLES: Mapping[str, Grant] = {
    "control_room": _reads("incident", "hr", classes=("personal", "sensitive")),
    "incident_reader": _reads("incident", classes=("personal", "sensitive")),
    "staff_reader": _reads("hr", classes=("personal",)),
    "analyst": _reads("incident", "hr"),
    "restricted_reader": _reads("incident", "hr", classes=("personal", "sensitive", "restricted")),
    "operator": Grant(frozenset({OPERATE, OBSERVE})),
    "approver": Grant(frozenset({APPROVE})),
    "monitor": Grant(frozenset({OBSERVE})),
}
"""Every role there is. `classes` are the field classes of the schemas that it may see."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Someone who asks: `roles` are held per force, `*` standing for every force."""

    name: str
    force: str
    roles: Mapping[str, frozenset[str]]


LOCAL = Principal("local", "", {ALL_FORCES: frozenset(ROLES)})
"""Who asks where no tokens are configured: whoever sits at this machine, and nobody else."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a verb is allowed, and the field classes that may be seen; `reason` is for people."""

    allowed: bool
    classes: frozenset[str] = frozenset()
    reason: str = ""


class Policy:
    """The one policy function."""

    def decide(self, principal: Principal, verb: str, domain: str, force: str) -> Decision:
        """Decide whether `principal` may do `verb` on records of `domain` owned by `force`.

        Anything unknown (role, verb, domain) is refused.
        """
        held = principal.roles.get(ALL_FORCES, frozenset()) | principal.roles.get(force, frozenset())
        grants = [ROLES[role] for role in held if role in ROLES]
        fitting = [g for g in grants if verb in g.verbs and (verb != READ or domain in g.domains)]
        if not fitting:
            return Decision(
                allowed=False, reason=f"'{principal.name}' holds no role that may {verb} {domain} of {force}"
            )
        return Decision(allowed=True, classes=frozenset().union(*(grant.classes for grant in fitting)))

    def forces(self, principal: Principal, domain: str, forces: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `forces` whose records of `domain` the principal may read."""
        return tuple(force for force in forces if self.decide(principal, READ, domain, force).allowed)


class Holder(BaseModel):
    """An entry of a file that tells who somebody is, and their roles per force."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    force: str = ""
    roles: dict[str, frozenset[str]]
    expires: dt.date | None = None

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


class _Token(Holder):
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Tokens:
    """The bearer tokens of a TOML file, which holds their SHA-256 and never a token itself.

        [[tokens]]
        name = "leicester-control-room"
        force = "leicestershire"
        sha256 = "…"
        roles = { "*" = ["control_room"] }
        expires = 2027-01-31

    Raises `ConfigurationError` with every problem of the file.
    """

    def __init__(self, file: Path) -> None:
        self._tokens = load_holders(file, "tokens", _Token)

    def principal(self, token: str, today: dt.date) -> Principal | None:
        """Who bears this token; None where nobody does, or it has expired."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = [t for t in self._tokens if hmac.compare_digest(t.sha256, digest)]
        return found[0].principal(today) if found else None


Entry = TypeVar("Entry", bound=Holder)


def load_holders(file: Path, table: str, kind: type[Entry]) -> list[Entry]:
    """Read the entries `[[table]]` of a file; `ConfigurationError` with all that is wrong with it."""
    where = f"{table}_file '{file}'"
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{where}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{where} is not TOML: {error}.") from error
    entries = found.get(table, [])
    if not entries or found.keys() - {table}:
        raise ConfigurationError(f"{where} holds [[{table}]] entries, at least one, and nothing else.")
    problems: list[str] = []
    holders: list[Entry] = []
    for number, entry in enumerate(entries, 1):
        _check(entry, kind, f"{file}: {table.removesuffix('s')} {number}", holders, problems)
    if problems:
        raise ConfigurationError("\n".join(problems))
    return holders


def _check(entry: Any, kind: type[Entry], where: str, holders: list[Entry], problems: list[str]) -> None:
    try:
        holders.append(kind.model_validate(entry))
    except ValidationError as error:
        problems += [
            f"{where}: '{'.'.join(map(str, e['loc'])) or 'entry'}': {e['msg']}." for e in error.errors()
        ]


def require_tokens_off_loopback(host: str, known_by: Path | None) -> None:
    """Refuse to serve beyond this machine without tokens or client certificates (`ConfigurationError`)."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback and known_by is None:
        raise ConfigurationError(f"Serving on '{host}' needs tokens: set tokens_file, or serve on 127.0.0.1.")
