"""The domains the hub shares, each declared in one file and listed here in plain sight."""

from hub.domains.domain import Column, Domain
from hub.domains.hr import HR
from hub.domains.incident import INCIDENT

DOMAINS: dict[str, Domain] = {domain.name: domain for domain in (INCIDENT, HR)}

__all__ = ["DOMAINS", "Column", "Domain"]
