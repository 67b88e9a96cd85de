"""Who asks, and what they may see: every read and every verb passes `Policy.decide`, which fails closed."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_open_server(host: str, *, known_by: Path | None, unread: bool) -> None:
    """Refuse to serve beyond this machine where nobody is asked who they are, or anybody may read along.

    `known_by` is a file of tokens or client certificates; `unread` says that TLS keeps what is sent from
    others, or that the settings take that upon them. Raises `ConfigurationError`.
    """
    if is_loopback(host):
        return
    if known_by is None:
        raise ConfigurationError(f"Serving on '{host}' needs tokens: set tokens_file, or serve on 127.0.0.1.")
    if not unread:
        raise ConfigurationError(
            f"Serving on '{host}' without TLS would send tokens and records for anybody on the way to read: "
            "under [server] set certificate_file and key_file; or plain_http = true, where TLS ends at a "
            "proxy before the server, or its network is the hub's alone."
        )
