"""The routes of the connectors, described in OpenAPI."""

from typing import Any

from hub.backfill import Backfill
from hub.control import ConnectorState
from hub.flow import UNASSIGNED, VERBS

_PROBLEM = {
    "description": "What was wrong, and the remedy (RFC 9457).",
    "content": {"application/problem+json": {}},
}
_STATE = {"type": "string", "enum": [*ConnectorState, UNASSIGNED]}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_RUNNER = {"state": _STATE, "worker_id": {"type": "string"}}
_TASK = {**_RUNNER, "id": {"type": "integer"}, "trace": {"type": "string"}}
_STATUS = {
    "type": "object",
    "required": ["name", "connector", "tasks", "type", "asked"],
    "properties": {
        "name": {"type": "string"},
        "connector": {"type": "object", "properties": _RUNNER},
        "tasks": {"type": "array", "items": {"type": "object", "properties": _TASK}},
        "type": {"type": "string", "enum": ["source"]},
        "asked": {"type": "string", "enum": ["RUNNING", "PAUSED", "STOPPED"]},
        "since": _TIME,
        "complete_to": _TIME,
        "held": {"type": ["object", "null"]},
        "backfill": {"type": ["object", "null"]},
    },
}
_EXPANDED = {"type": "object", "required": ["status"], "properties": {"status": _STATUS}}
_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "<force>.<domain>",
    "schema": {"type": "string"},
}
_SUMMARIES = {
    "pause": "Have a connector read nothing for now, and keep all open",
    "resume": "Have a paused or stopped connector go on",
    "stop": "Have a connector let go of its source",
    "restart": "Start a connector anew",
}


def connector_paths() -> dict[str, Any]:
    """Every path of `hub/serve/connectors.py`."""
    one = "/connectors/{name}"
    names = {"type": "array", "items": {"type": "string"}}
    statuses = {"type": "object", "additionalProperties": _EXPANDED}
    summary = "The names of the connectors; with expand=status how each is"
    listing = _get(summary, {"oneOf": [names, statuses]}, "400", "401")
    expand = {"name": "expand", "in": "query", "schema": {"type": "string", "enum": ["status"]}}
    paths = {
        "/connectors": {"get": listing | {"parameters": [expand]}},
        f"{one}/status": {"get": _get("How a connector is", _STATUS) | {"parameters": [_NAME]}},
        f"{one}/offsets": {
            "get": _get("Where a connector is in its source", {"type": "object"}) | {"parameters": [_NAME]}
        },
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
    refused = dict.fromkeys(errors or ("401", "404"), _PROBLEM)
    return {"summary": summary, "responses": {"200": answer, **refused}}


def _act(summary: str) -> dict[str, Any]:
    errors = dict.fromkeys(("400", "401", "403", "404", "409"), _PROBLEM)
    asked = {"description": "Asked; it is done after the batch under way."}
    return {"summary": summary, "parameters": [_NAME], "responses": {"202": asked, **errors}}
