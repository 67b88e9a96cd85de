"""The read side of the Confluent schema registry's REST API, so that ordinary clients decode the topics.

Schemas hold no personal data, but who asks must still be known.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.schema.registry import Registry, SchemaVersion
from hub.serve.caller import Callers

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
NO_SUBJECT, NO_VERSION, NO_SCHEMA, BAD_VERSION = 40401, 40402, 40403, 42202
"""Error codes of that API."""


def routes(registry: Registry, callers: Callers) -> list[Route]:
    """Make the routes; all are GET."""
    desk = _Registry(registry, callers)
    return [
        Route("/subjects", desk.subjects),
        Route("/subjects/{subject}/versions", desk.versions),
        Route("/subjects/{subject}/versions/{version}", desk.version),
        Route("/schemas/ids/{id}", desk.by_id),
    ]


class _Registry:
    def __init__(self, registry: Registry, callers: Callers) -> None:
        self._registry = registry
        self._callers = callers

    def subjects(self, request: Request) -> Response:
        self._callers.principal(request)
        return _answer(self._registry.subjects())

    def versions(self, request: Request) -> Response:
        self._callers.principal(request)
        found = self._registry.versions(request.path_params["subject"])
        return (
            _answer([each.version for each in found]) if found else _error(NO_SUBJECT, "Subject not found.")
        )

    def version(self, request: Request) -> Response:
        self._callers.principal(request)
        subject, wanted = request.path_params["subject"], request.path_params["version"]
        found = self._registry.versions(subject)
        if not found:
            return _error(NO_SUBJECT, "Subject not found.")
        if wanted == "latest":
            return _answer(_describe(subject, found[-1]))
        if not (wanted.isascii() and wanted.isdigit()):
            return _error(BAD_VERSION, "A version is a number from 1, or 'latest'.")
        chosen = [each for each in found if each.version == int(wanted[:10])]
        return _answer(_describe(subject, chosen[0])) if chosen else _error(NO_VERSION, "Version not found.")

    def by_id(self, request: Request) -> Response:
        self._callers.principal(request)
        number = request.path_params["id"]
        found = self._registry.by_id(int(number[:10])) if number.isascii() and number.isdigit() else None
        return _answer({"schema": found.text}) if found else _error(NO_SCHEMA, "Schema not found.")


def _describe(subject: str, version: SchemaVersion) -> dict[str, Any]:
    return {"subject": subject, "version": version.version, "id": version.id, "schema": version.text}


def _answer(body: Any) -> Response:
    return JSONResponse(body, media_type=CONTENT_TYPE)


def _error(code: int, message: str) -> Response:
    return JSONResponse({"error_code": code, "message": message}, code // 100, media_type=CONTENT_TYPE)
