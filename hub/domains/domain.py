"""What a domain is: all that the loops, the store and the server need to know of one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Record = Mapping[str, Any]
"""An alliance record as decoded from Avro; instants are integers, microseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Column:
    """A value of a record that the store keeps in a column of its own, to filter and sort by.

    `several` columns hold words joined by spaces, with a space before and after, and a filter
    asks for one of them. `doc` is shown in the API. `filter` is False where another query
    parameter stands for it (time, bounding box). `enum` names the enum of the alliance schema
    whose symbols are all that it holds.
    """

    name: str
    kind: Literal["text", "integer", "real"]
    value: Callable[[Record], str | int | float | None]
    doc: str
    several: bool = False
    filter: bool = True
    enum: str = ""


@dataclass(frozen=True, slots=True)
class Domain:
    """One kind of shared record.

    `name` is the topic's word (`alliance.<name>.v1`), `noun` the id's, `path` the API's and the
    table's name. `noun_has_system` says whether record ids carry the system. `sort` is the
    instant records are listed by, newest first, and `latest` the column of the last instant
    the same time can mean, where it can mean several. `dated` says that it is a time that the
    source states of a record, not that of reading. `stub_fields` are shown of a restricted
    record.
    """

    name: str
    noun: str
    path: str
    title: str
    noun_has_system: bool
    columns: tuple[Column, ...]
    sort: Callable[[Record], int]
    dated: bool = True
    latest: str | None = None
    stub_fields: tuple[str, ...] = (
        "id", "force", "system", "source_key", "source_version", "mapping_version", "deleted", "restricted",
    )  # fmt: skip

    @property
    def topic(self) -> str:
        return f"alliance.{self.name}.v1"

    @property
    def schema(self) -> str:
        """Path of the newest alliance schema below `schemas/`."""
        return f"alliance/{self.name}.avsc"
