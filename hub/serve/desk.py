"""What every route needs, gathered once."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from hub.access import Policy
from hub.audit import AuditLog
from hub.flow import Flow
from hub.serve.caller import Callers
from hub.view.query import Query


def _now() -> int:
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Desk:
    """The server's parts.

    `feeds` are the configured (force, domain), `sharing` the forces that share restricted content;
    `now` is in microseconds UTC.
    """

    query: Query
    policy: Policy
    callers: Callers
    audit: AuditLog
    flow: Flow
    feeds: tuple[tuple[str, str], ...]
    sharing: frozenset[str]
    stale_after_seconds: float
    now: Callable[[], int] = _now

    @property
    def forces(self) -> tuple[str, ...]:
        return tuple(sorted({force for force, _ in self.feeds}))
