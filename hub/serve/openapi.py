"""The API described in OpenAPI 3.1, made from the domains and their alliance schemas."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from hub.domains import DOMAINS, Domain
from hub.serve.ask import parameters
from hub.serve.openapi_connectors import REFUSED, connector_paths
from hub.serve.openapi_dead_letters import dead_letter_paths
from hub.serve.present import Presenter, named_types

PROBLEM = {
    "description": "What was wrong, and the remedy (RFC 9457).",
    "content": {"application/problem+json": {}},
}
OF_EVERY_ROUTE = ("400", "401", "413", "429", "431", "503")
"""What the guard before every route answers, and a route whose store does not."""

SIMPLE: dict[str, dict[str, Any]] = {
    "string": {"type": ["string", "null"]},
    "int": {"type": "integer"},
    "long": {"type": "integer"},
    "double": {"type": "number"},
    "boolean": {"type": "boolean"},
}
FORMS: dict[str, dict[str, Any]] = {
    "since": {"type": "string", "format": "date-time"},
    "until": {"type": "string", "format": "date-time"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 500},
    "deleted": {"type": "boolean"},
}


def describe(presenters: dict[str, Presenter], *, guarded: bool) -> dict[str, Any]:
    """Make the whole document; `guarded` where tokens are asked for."""
    paths: dict[str, Any] = {
        "/freshness": _get(
            "Up to which source time each feed is known complete", {"type": "object"}, errors=("400", "401")
        ),
        "/changes": {
            "get": {
                "summary": "The live stream of changes (server-sent events)",
                "parameters": [
                    _query(
                        "after",
                        "Change number to go on after; from now on unless given.",
                        {"type": "integer"},
                    )
                ],
                "responses": _responses(
                    {"text/event-stream": {"schema": {"type": "string"}}}, ("400", "401")
                ),
            }
        },
    }
    paths |= connector_paths()
    paths |= dead_letter_paths()
    schemas: dict[str, Any] = {}
    for domain in DOMAINS.values():
        paths |= _paths(domain, presenters[domain.name].words)
        schemas[domain.noun] = _record(presenters[domain.name])
    for path, operations in paths.items():
        refused = REFUSED if path.startswith("/connector") else PROBLEM
        for operation in operations.values():
            operation["responses"] = dict.fromkeys(OF_EVERY_ROUTE, refused) | operation["responses"]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Alliance Hub", "version": version("alliance-hub")},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"bearer": []}] if guarded else [],
    }


def _paths(domain: Domain, words: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    ref = {"$ref": f"#/components/schemas/{domain.noun}"}
    page = {
        "type": "object",
        "required": ["records", "next", "as_of"],
        "properties": {
            "records": {"type": "array", "items": ref},
            "next": {"type": ["string", "null"]},
            "as_of": {"type": "string", "format": "date-time"},
        },
    }
    one = {
        "type": "object",
        "required": ["record", "change_number", "history"],
        "properties": {
            "record": ref,
            "change_number": {"type": "integer"},
            "history": {"type": "array", "items": {"type": "object"}},
        },
    }
    listing = _get(f"{domain.title}, newest first", page, errors=("400", "401", "403"))
    forms = FORMS | {name: {"type": "string", "enum": symbols} for name, symbols in words.items()}
    listing["get"]["parameters"] = [
        _query(name, doc, forms.get(name, {"type": "string"})) for name, doc in parameters(domain).items()
    ]
    single = _get(f"One of {domain.title.lower()}, with history", one, errors=("400", "401", "403", "404"))
    single["get"]["parameters"] = [
        {
            "name": "id",
            "in": "path",
            "required": True,
            "description": "Record id.",
            "schema": {"type": "string"},
        }
    ]
    return {f"/{domain.path}": listing, f"/{domain.path}/{{id}}": single}


def _get(summary: str, schema: dict[str, Any], *, errors: tuple[str, ...]) -> dict[str, Any]:
    return {
        "get": {"summary": summary, "responses": _responses({"application/json": {"schema": schema}}, errors)}
    }


def _responses(content: dict[str, Any], errors: tuple[str, ...]) -> dict[str, Any]:
    return {"200": {"description": "As asked.", "content": content}, **dict.fromkeys(errors, PROBLEM)}


def _query(name: str, doc: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": doc, "schema": schema}


def _record(presenter: Presenter) -> dict[str, Any]:
    described = _type(presenter.schema, named_types(presenter.schema))
    described["properties"]["withheld"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "Fields that the caller may not see.",
    }
    return described


def _type(kind: Any, named: dict[str, Any]) -> dict[str, Any]:
    if isinstance(kind, str):
        return dict(SIMPLE[kind]) if kind in SIMPLE else _type(named[kind], named)
    if isinstance(kind, list):
        (inner,) = (branch for branch in kind if branch != "null")
        return {"oneOf": [{"type": "null"}, _type(inner, named)]}
    return _complex(kind, named)


def _complex(kind: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    match kind["type"]:
        case "record":
            fields = {f["name"]: _type(f["type"], named) | {"description": f["doc"]} for f in kind["fields"]}
            return {"type": "object", "properties": fields}
        case "array":
            return {"type": "array", "items": _type(kind["items"], named)}
        case "enum":
            return {"type": "string", "enum": kind["symbols"]}
        case "long" if kind.get("logicalType") == "timestamp-micros":
            return {"type": "string", "format": "date-time"}
    return _type(kind["type"], named)
