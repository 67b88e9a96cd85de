"""Tells who calls, from the bearer token; without tokens, the one local principal."""

import datetime as dt
from urllib.parse import urlsplit

from starlette.requests import Request

from hub.access import LOCAL, Principal, Tokens
from hub.serve.problem import Problem


class Callers:
    """Authenticates requests. Without tokens everyone who reaches the loopback address is `LOCAL`."""

    def __init__(self, tokens: Tokens | None, *, require_justification: bool) -> None:
        self._tokens = tokens
        self._require_justification = require_justification

    def principal(self, request: Request) -> Principal:
        """Who calls. Raises `Problem` 401 where a token is missing, unknown or expired."""
        if self._tokens is None:
            return LOCAL
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        found = self._tokens.principal(token.strip(), dt.datetime.now(dt.UTC).date())
        if scheme.lower() != "bearer" or found is None:
            raise Problem(
                401,
                "Who asks?",
                "Send a valid token: Authorization: Bearer ….",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return found

    def justification(self, request: Request) -> str:
        """Why the caller asks, from the header `Justification`; `Problem` 400 where one is required."""
        reason = request.headers.get("justification", "").strip()[:500]
        if not reason and self._require_justification:
            raise Problem(
                400, "Why do you ask?", "Send the header 'Justification' with the reason for looking."
            )
        return reason


def refuse_other_sites(request: Request) -> None:
    """Refuse an act that a page of another site has a browser ask for: `Problem` 403.

    Without tokens everyone on this machine may act, and so might any page they look at.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Problem(403, "Not from there", "Pages of other sites may not act on the hub.")
