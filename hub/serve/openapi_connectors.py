"""The routes of the connectors, described in OpenAPI."""

from typing import Any

from hub.backfill import Backfill
from hub.control import ConnectorState
from hub.flow import UNASSIGNED, VERBS
from hub.serve.connect_shapes import RESTARTING


def _closed(properties: dict[str, Any], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """An object with these properties and no others, as a strict client of Connect expects."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_REFUSAL = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"type": "integer"}, "message": {"type": "string"}},
}
REFUSED = {
    "description": "What was wrong, as Kafka Connect says it.",
    "content": {"application/json": {"schema": _REFUSAL}},
}
_TEXT = {"type": "string"}
_STATE = {"type": "string", "enum": [*ConnectorState, UNASSIGNED, RESTARTING]}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_RUNNER = {"state": _STATE, "worker_id": _TEXT, "version": _TEXT}
_TASK = _closed({**_RUNNER, "id": {"type": "integer"}, "trace": _TEXT}, optional=("trace",))
_CONFIG = {"type": "object", "additionalProperties": _TEXT}
_TASK_ID = _closed({"connector": _TEXT, "task": {"type": "integer"}})
_SOURCE = {"type": "string", "enum": ["source"]}
_STATUS = _closed(
    {"name": _TEXT, "connector": _closed(_RUNNER), "tasks": _list(_TASK), "type": _SOURCE},
)
_INFO = _closed({"name": _TEXT, "config": _CONFIG, "tasks": _list(_TASK_ID), "type": _SOURCE})
_STANDING = _closed(
    {
        "name": _TEXT,
        "state": _STATE,
        "asked": {"type": "string", "enum": ["RUNNING", "PAUSED", "STOPPED"]},
        "since": _TIME,
        "complete_to": _TIME,
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "held": {"type": ["object", "null"]},
        "backfill": {"type": ["object", "null"]},
        "error": _TEXT,
    }
)
_EXPANDED = _closed({"status": _STATUS, "info": _INFO}, optional=("status", "info"))
_OBJECT = {"type": "object"}
_READ = {
    "": ("A connector, its configuration and its task", _INFO),
    "/status": ("How a connector is", _STATUS),
    "/config": ("How the source of a connector is read", _CONFIG),
    "/tasks": (
        "The task of a connector; none while it is stopped",
        _list(_closed({"id": _TASK_ID, "config": _CONFIG})),
    ),
    "/topics": ("The topic that a connector publishes on", _OBJECT),
    "/offsets": (
        "Where a connector is in its source",
        _closed({"offsets": _list(_closed({"partition": _CONFIG, "offset": _OBJECT}))}),
    ),
    "/standing": ("What the hub knows of a connector besides", _STANDING),
}
_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "<force>.<domain>",
    "schema": {"type": "string"},
}
_NUMBER = {"name": "task", "in": "path", "required": True, "description": "0", "schema": {"type": "string"}}
_SUMMARIES = {
    "pause": "Have a connector read nothing for now, and keep all open",
    "resume": "Have a paused or stopped connector go on",
    "stop": "Have a connector let go of its source",
    "restart": "Start a connector anew",
}


def connector_paths() -> dict[str, Any]:
    """Every path of `hub/serve/connectors.py`."""
    one = "/connectors/{name}"
    names = _list(_TEXT)
    statuses = {"type": "object", "additionalProperties": _EXPANDED}
    summary = "The names of the connectors; with expand=status and expand=info how each is"
    listing = _get(summary, {"oneOf": [names, statuses]}, "401")
    expand = {"name": "expand", "in": "query", "schema": _list(_TEXT)}
    plugin = _closed({"class": _TEXT, "type": _SOURCE, "version": _TEXT})
    paths = {
        "/connectors": {"get": listing | {"parameters": [expand]}},
        "/connector-plugins": {"get": _get("The kinds of source", _list(plugin), "401")},
        **{
            one + end: {"get": _get(told, schema) | {"parameters": [_NAME]}}
            for end, (told, schema) in _READ.items()
        },
        f"{one}/tasks/{{task}}/status": {
            "get": _get("How the task of a connector is", _TASK) | {"parameters": [_NAME, _NUMBER]}
        },
        f"{one}/tasks/{{task}}/restart": {"post": _act("Start a connector anew", _NUMBER)},
        f"{one}/backfill": {
            "put": _act("Read records of some keys or of a time again")
            | {"requestBody": {"content": {"application/json": {"schema": Backfill.model_json_schema()}}}},
            "delete": _act("End a backfill where it is"),
        },
    }
    for verb in VERBS:
        paths[f"{one}/{verb}"] = {"post" if verb == "restart" else "put": _act(_SUMMARIES[verb])}
    return paths


def _get(summary: str, schema: dict[str, Any], *errors: str) -> dict[str, Any]:
    answer = {"description": "As asked.", "content": {"application/json": {"schema": schema}}}
    refused = dict.fromkeys(errors or ("401", "404"), REFUSED)
    return {"summary": summary, "responses": {"200": answer, **refused}}


def _act(summary: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    errors = dict.fromkeys(("400", "401", "403", "404", "409"), REFUSED)
    asked = {"description": "Asked; it is done after the batch under way."}
    responses = {"202": asked, "204": asked, **errors}
    return {"summary": summary, "parameters": [_NAME, *parameters], "responses": responses}
