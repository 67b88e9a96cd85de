"""The headers of a dead letter: in Kafka Connect's names, so that its tools understand them, and in ours.

Neither holds the record's content or key (invariant 10): the message is the reason, which is
never personal, and a stack trace, which might be, is left out.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from hub.bus.contract import Headers
from hub.events import CONTENT_TYPE

CONNECT = "__connect.errors."
OURS = "hub.dead_letter."


class _Place(NamedTuple):
    """A stage in Kafka Connect's words: its own stage, and the class at work."""

    stage: str
    at_work: str


_PLACES: Mapping[str, _Place] = {
    "read": _Place("TASK_POLL", "connectors.loop.Connector"),
    "normalise": _Place("TRANSFORMATION", "hub.normalise.step.Step"),
    "view": _Place("TASK_PUT", "hub.view.intake.Intake"),
}


def letter_headers(letter: Mapping[str, Any], task: str = "0") -> Headers:
    """Make the headers of a letter; `task` tells the processes of one stage apart."""
    stage, at_work = _PLACES[letter["stage"]]
    connect = {
        "topic": letter["topic"],
        "partition": letter["partition"],
        "offset": letter["offset"],
        "connector.name": _connector(letter),
        "task.id": task,
        "stage": stage,
        "class.name": at_work,
        "exception.class.name": f"hub.errors.{letter['error']}",
        "exception.message": letter["reason"],
    }
    ours = {
        name: letter[name] for name in ("stage", "force", "domain", "system", "error", "length", "sha256")
    }
    named = {CONNECT + name: value for name, value in connect.items()}
    named |= {OURS + name: value for name, value in ours.items()}
    return [("content-type", CONTENT_TYPE), *((name, str(value).encode()) for name, value in named.items())]


def _connector(letter: Mapping[str, Any]) -> str:
    """What Kafka Connect would call the connector: the feed at stage read, else the stage itself."""
    if letter["stage"] == "read":
        return f"{letter['force']}.{letter['domain']}"
    return f"hub.{letter['stage']}"
