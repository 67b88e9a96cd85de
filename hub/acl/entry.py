"""One line of an access list, in the words of Kafka's own tool."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a right is about; the values are the options of `kafka-acls.sh`."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"
    CLUSTER = "cluster"
    DELEGATION_TOKEN = "delegation-token"  # noqa: S105 a kind of resource
    USER = "user-principal"


CLUSTER_NAME = "kafka-cluster"
"""The one name that a resource of the kind CLUSTER has."""


class Entry(NamedTuple):
    """Who may do what. `prefixed`: to everything whose name begins so."""

    principal: str
    kind: Kind
    name: str
    operation: str
    prefixed: bool = False
    host: str = "*"
    allow: bool = True

    def __str__(self) -> str:
        may = "may" if self.allow else "is denied to"
        what = f"every {self.kind} that begins with" if self.prefixed else str(self.kind)
        where = "" if self.host == "*" else f" from {self.host}"
        return f"{self.principal} {may} {self.operation} {what} '{self.name}'{where}"
