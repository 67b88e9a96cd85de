"""Every error of the hub, grouped by what happens next.

    HubError
    ├── ConfigurationError   stop and tell: a person must change something      exit 2
    ├── EnvironmentMissingError  stop and tell: a program or right is missing   exit 3
    ├── TransientError       try again: exponential, jittered, capped, counted
    │   └── StoreAwayError       it is the store that does not answer
    ├── BadRecordError       dead letter, and go on with the next record
    │   ├── HeldBehindError      nothing is wrong with it: an earlier one of its key waits (strict order)
    │   └── NewerSchemaError     nothing is wrong with it: who reads it is of an older release
    ├── BadQueryError        answer who asked: the question is not well put
    │   ├── NotFoundError        there is no such thing, or they may not know of it
    │   └── ConflictError        not as it stands now
    ├── NotAllowedError      answer who asked: they hold no role that may      exit 2
    └── FatalError           stop: going on would lose or invent something      exit 1
        ├── FencedError          another process took over this identity
        ├── SourceChangedError   most of a window is bad, or of a newer release: not bad records
        └── HeldError            held until a person accepts (mass deletion)

Library errors are translated into these at the edge where they arise. A message names
the thing, its value where that is not personal, and the remedy.
"""


class HubError(Exception):
    """Root of all errors that the hub raises on purpose."""

    exit_code = 1


def in_words(error: Exception) -> str:
    """What a person should know of an error."""
    if isinstance(error, HubError):
        return str(error)
    return f"a defect of the hub ({type(error).__name__}); please report it"


class ConfigurationError(HubError):
    """Something a person wrote is wrong. Carries one problem a line, all found at once."""

    exit_code = 2


class EnvironmentMissingError(HubError):
    """The machine lacks something the hub needs, such as a program, a disk or a right."""

    exit_code = 3


class TransientError(HubError):
    """A dependency did not answer or refused for now; the same call may succeed later.

    `retry_after_seconds` is the pause the other side asked for, if it did.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class StoreAwayError(TransientError):
    """The store does not answer, or can take nothing in for now."""


class BadRecordError(HubError):
    """One record cannot be used: it goes to the dead letters with `reason`, never with its content."""


class HeldBehindError(BadRecordError):
    """A good record that may not pass the dead letter before it; it goes on once that is resolved."""


class NewerSchemaError(BadRecordError):
    """A good record in a schema that is not known here yet; readers of a stream stop before it."""


class BadQueryError(HubError):
    """A question to the view is not well put: an unknown filter, a cursor of another list."""


class NotFoundError(BadQueryError):
    """There is no such thing, or who asked may not know that there is."""


class ConflictError(BadQueryError):
    """It cannot be done as things stand now."""


class NotAllowedError(HubError):
    """Who asked may not see or do it; nothing of it was seen or done."""

    exit_code = 2


class FatalError(HubError):
    """Going on would lose, invent or corrupt something."""


class FencedError(FatalError):
    """Another process has taken over this transactional id or group; this one must stop."""


class SourceChangedError(FatalError):
    """What comes means a changed source or a newer release rather than bad records."""


class HeldError(FatalError):
    """The work is held until a person looks at it and accepts it."""
