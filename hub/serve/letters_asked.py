"""What the routes of dead letters are asked: query parameters and bodies."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub.dead_letters.search import Search, read_instant, read_states

PARAMETERS = {
    "force": "Force; repeat for several.",
    "domain": "Domain; repeat for several.",
    "stage": "Stage that set it aside: read, normalise or view; repeat for several.",
    "state": "State, or all; those that wait unless given. Repeat for several.",
    "error": "A part of the error's name or of the reason.",
    "since": "RFC 3339 instant; set aside at or after it.",
    "until": "RFC 3339 instant; set aside at or before it.",
    "key": "Incident number, staff number, or another business key.",
    "limit": "Letters a page.",
    "cursor": "`next` of the page before.",
    "unmasked": "true: with personal fields, for those who may see them.",
    "recipient": "To whom an export is disclosed.",
}
LISTED = tuple(name for name in PARAMETERS if name not in {"unmasked", "recipient"})
EXPORTED = tuple(name for name in PARAMETERS if name not in {"limit", "cursor"})


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Edit(_Asked):
    """Some fields set, or a whole value as the letter shows it."""

    fields: dict[str, Any] = Field({}, description="Paths such as row.GRADE, and their new values.")
    value: dict[str, Any] | None = Field(None, description="The whole record in the original's place.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.fields and self.value is None:
            raise ValueError("name fields, or give a value")
        return self


class Which(_Asked):
    """Which letters are meant; of what is stated all must hold."""

    ids: tuple[str, ...] = ()
    force: tuple[str, ...] = ()
    domain: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    error: str = ""
    since: str = ""
    until: str = ""
    key: str = ""
    every: bool = Field(False, alias="all", description="Every letter that waits.")

    def search(self) -> Search:
        """`BadQueryError` names what was not understood."""
        return Search(
            ids=self.ids,
            forces=self.force,
            domains=self.domain,
            stages=self.stage,
            states=read_states(self.state),
            error=self.error,
            since=read_instant("since", self.since),
            until=read_instant("until", self.until),
            key=self.key,
        )


class Discard(Which):
    """Letters to resolve without their records."""


class Replay(Which):
    """Letters to replay, in order."""

    dry_run: bool = Field(False, description="Say what would become of each, and do nothing.")
    per_second: float | None = Field(None, gt=0, description="Records a second, at most.")
