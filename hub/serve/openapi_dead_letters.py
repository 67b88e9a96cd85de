"""The routes of dead letters, described in OpenAPI."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from hub.serve.letters_asked import EXPORTED, LISTED, PARAMETERS, Discard, Edit, Replay

_PROBLEM = {
    "description": "What was wrong, and the remedy (RFC 9457).",
    "content": {"application/problem+json": {}},
}
_TEXT = {"type": "string"}
_LETTER = {
    "type": "object",
    "required": ["id", "state", "at", "stage", "force", "domain", "error", "reason"],
    "properties": {
        "id": _TEXT,
        "state": _TEXT,
        "at": {"type": "string", "format": "date-time"},
        "record_id": {"type": ["string", "null"]},
    },
}
_FOUND = {
    "type": "object",
    "required": ["verdicts", "letters"],
    "properties": {"verdicts": {"type": "object"}, "letters": {"type": "array"}},
}
_JOB = {
    "type": "object",
    "required": ["id", "by", "state", "total", "verdicts", "letters"],
    "properties": {
        "state": {"type": "string", "enum": ["running", "done", "stopped", "failed"]},
        "total": {"type": "integer"},
        **_FOUND["properties"],  # type: ignore[dict-item]
    },
}
_PAGE = {
    "type": "object",
    "required": ["letters", "next"],
    "properties": {"letters": {"type": "array", "items": _LETTER}, "next": {"type": ["string", "null"]}},
}
_DONE = {"type": "object", "required": ["discarded", "refused"]}
_FORMS: dict[str, dict[str, Any]] = {
    "since": {"type": "string", "format": "date-time"},
    "until": {"type": "string", "format": "date-time"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 500},
    "unmasked": {"type": "boolean"},
}


def dead_letter_paths() -> dict[str, Any]:
    """Every path of `hub/serve/dead_letters.py`."""
    one = "/dead-letters/{topic}/{key}"
    job = "/dead-letters/replays/{job}"
    replay = _act("Replay letters, in order and never over a newer version", _FOUND, Replay)
    replay["responses"]["202"] = _json("Begun; its id leads to its progress.", _JOB)
    return {
        "/dead-letters": {"get": _get("Dead letters, newest first", _PAGE) | {"parameters": _query(LISTED)}},
        "/dead-letters/export": {
            "get": {
                "summary": "Whole letters as JSON lines, oldest first",
                "parameters": _query(EXPORTED),
                "responses": {
                    "200": {"description": "As asked.", "content": {"application/x-ndjson": {}}},
                    **_errors("400", "401", "403"),
                },
            }
        },
        "/dead-letters/discards": {
            "post": _act("Resolve letters without their records; needs a reason", _DONE, Discard)
        },
        "/dead-letters/replays": {"post": replay},
        job: {
            "get": _get("How far a replay is", _JOB) | {"parameters": [_path("job")]},
            "delete": {
                "summary": "Stop a replay after the batch under way",
                "parameters": [_path("job")],
                "responses": {"202": _json("It stops.", _JOB), **_errors("401", "403", "404")},
            },
        },
        one: {
            "get": _get("A letter: the original beside what could be decoded", _LETTER)
            | {"parameters": [_path("topic"), _path("key"), *_query(("unmasked",))]}
        },
        f"{one}/edit": {"put": _of_one("Keep an edited record, to be approved and replayed", Edit)},
        f"{one}/approve": {"post": _of_one("Approve what another person edited", None)},
    }


def _get(summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    errors = _errors("400", "401", "403", "404")
    return {"summary": summary, "responses": {"200": _json("As asked.", schema), **errors}}


def _act(summary: str, schema: dict[str, Any], body: type[BaseModel] | None) -> dict[str, Any]:
    responses = {"200": _json("Done.", schema), **_errors("400", "401", "403", "404", "409")}
    asked = {} if body is None else {"requestBody": _body(body)}
    return {"summary": summary, "responses": responses, **asked}


def _of_one(summary: str, body: type[BaseModel] | None) -> dict[str, Any]:
    return _act(summary, _LETTER, body) | {"parameters": [_path("topic"), _path("key")]}


def _body(kind: type[BaseModel]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": kind.model_json_schema()}}}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _errors(*codes: str) -> dict[str, Any]:
    return dict.fromkeys(codes, _PROBLEM)


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _query(names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "description": PARAMETERS[name], "schema": _FORMS.get(name, _TEXT)}
        for name in names
    ]
