"""What Kafka Connect's REST API says, in its own shapes; tests hold them beside a real Connect."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from hub.control import ConnectorState
from hub.events import iso_micros
from hub.flow import Status
from hub.forces import Feed

CONNECT_VERSION = "4.3.0"
"""The Connect whose REST API this one is like: clients choose by it what they may ask."""

_OWN_VERSION = version("alliance-hub")
_KINDS = ("feed", "files", "sql")
RESTARTING = "RESTARTING"


def root() -> dict[str, Any]:
    """`GET /`: what this is, as clients ask before anything else."""
    return {
        "version": CONNECT_VERSION,
        "commit": f"alliance-hub-{_OWN_VERSION}",
        "kafka_cluster_id": "alliance-hub",
    }


def plugins() -> list[dict[str, str]]:
    """`GET /connector-plugins`: a class for each kind of source."""
    return [{"class": _class(kind), "type": "source", "version": _OWN_VERSION} for kind in _KINDS]


def status(of: Status, state: str | None = None) -> dict[str, Any]:
    """`GET /connectors/{name}/status`; `state` instead of the one that it is in."""
    runner = {"state": state or of.state, "worker_id": of.worker, "version": _OWN_VERSION}
    return {"name": of.name, "connector": runner, "tasks": _tasks(of, runner), "type": "source"}


def task_status(of: Status) -> dict[str, Any] | None:
    """`GET /connectors/{name}/tasks/0/status`; None while it has no task."""
    return next(iter(status(of)["tasks"]), None)


def info(of: Status) -> dict[str, Any]:
    """`GET /connectors/{name}`."""
    tasks = [{"connector": of.name, "task": 0}] if _has_task(of) else []
    return {"name": of.name, "config": config(of.feed), "tasks": tasks, "type": "source"}


def config(feed: Feed) -> dict[str, str]:
    """`GET /connectors/{name}/config`: how its source is read, as its force's folder says it.

    Where the source is, and the secret for it, belong to the settings and are not shown.
    """
    table = {f"source.{name}": value for name, value in _flat("", feed.source) if name != "kind"}
    return {
        "connector.class": _class(str(feed.source.get("kind"))),
        "name": f"{feed.force}.{feed.domain}",
        "tasks.max": "1",
        "topic": feed.topic,
        "force": feed.force,
        "domain": feed.domain,
        "system": feed.system,
        **table,
    }


def tasks(of: Status) -> list[dict[str, Any]]:
    """`GET /connectors/{name}/tasks`."""
    if not _has_task(of):
        return []
    own = config(of.feed)
    return [
        {"id": {"connector": of.name, "task": 0}, "config": {**own, "task.class": own["connector.class"]}}
    ]


def topics(of: Status) -> dict[str, Any]:
    """`GET /connectors/{name}/topics`."""
    return {of.name: {"topics": [of.feed.topic]}}


def offsets(of: Status) -> dict[str, Any]:
    """`GET /connectors/{name}/offsets`: its position in its source's own terms."""
    partition = {"force": of.feed.force, "domain": of.feed.domain, "system": of.feed.system}
    return {"offsets": [{"partition": partition, "offset": of.position}]}


def standing(of: Status) -> dict[str, Any]:
    """What the hub knows of a connector besides, for which Connect has no place."""
    return {
        "name": of.name,
        "state": of.state,
        "asked": of.asked,
        "since": _time(of.since),
        "complete_to": _time(of.complete_to),
        "counts": of.counts,
        "held": of.held,
        "backfill": of.progress,
        "error": of.error,
    }


def refusal(code: int, message: str) -> dict[str, Any]:
    """What Connect answers where something is wrong."""
    return {"error_code": code, "message": message}


def _has_task(of: Status) -> bool:
    """One that was stopped has let go of its task."""
    return of.state != ConnectorState.STOPPED


def _tasks(of: Status, runner: Mapping[str, str]) -> list[dict[str, Any]]:
    if not _has_task(of):
        return []
    return [{"id": 0, **runner, **({"trace": of.error} if of.error else {})}]


def _class(kind: str) -> str:
    return f"alliance_hub.{kind}"


def _flat(prefix: str, table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A table as Connect has it: names with dots, and every value a text."""
    found: list[tuple[str, str]] = []
    for name, value in table.items():
        if isinstance(value, Mapping):
            found += _flat(f"{prefix}{name}.", value)
        else:
            found.append((f"{prefix}{name}", _text(value)))
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(_text, value))
    return str(value)


def _time(micros: int | None) -> str | None:
    return None if micros is None else iso_micros(micros)
