"""Tells who calls, by bearer token or client certificate; the local one without either."""

import base64
import datetime as dt
from urllib.parse import urlsplit

from starlette.requests import Request

from hub.access import LOCAL, Principal
from hub.holders import Tokens
from hub.serve.clients import Clients
from hub.serve.problem import Problem


class Callers:
    """Authenticates requests. Without tokens and clients whoever reaches the loopback address is `LOCAL`."""

    def __init__(
        self, tokens: Tokens | None, clients: Clients | None = None, *, require_justification: bool
    ) -> None:
        self._tokens = tokens
        self._clients = clients
        self._require_justification = require_justification

    @property
    def local(self) -> bool:
        """Whether nobody is asked who they are."""
        return self._tokens is None and self._clients is None

    def authenticate(self, request: Request) -> Principal:
        """Who calls. Raises `Problem` 401 where a token or certificate is missing, unknown or expired.

        One who sends a token is taken by it alone: a wrong one does not fall back on the certificate.
        """
        if self.local:
            return LOCAL
        today = dt.datetime.now(dt.UTC).date()
        sent = request.headers.getlist("authorization")
        found = self._by_token(sent, today) if sent else self._by_certificate(request, today)
        if found is None:
            raise _unknown()
        return found

    def still(self, request: Request, principal: Principal) -> bool:
        """Whether who called is known still, and may do what they might."""
        try:
            return self.authenticate(request) == principal
        except Problem:
            return False

    def principal(self, request: Request) -> Principal:
        """Who calls, as the guard before every route found out; `Problem` 401 where it did not."""
        found = getattr(request.state, "principal", None)
        if not isinstance(found, Principal):
            raise _unknown()
        return found

    def justification(self, request: Request) -> str:
        """Why the caller asks, from the header `Justification`; `Problem` 400 where one is required."""
        reason = request.headers.get("justification", "").strip()[:500]
        if not reason and self._require_justification:
            raise Problem(
                400, "Why do you ask?", "Send the header 'Justification' with the reason for looking."
            )
        return reason

    def _by_token(self, sent: list[str], today: dt.date) -> Principal | None:
        scheme, _, token = sent[0].partition(" ")
        if self._tokens is None or len(sent) != 1 or scheme.lower() not in {"bearer", "basic"}:
            return None
        if scheme.lower() == "basic":
            token = _password(token)
        return self._tokens.principal(token.strip(), today)

    def _by_certificate(self, request: Request, today: dt.date) -> Principal | None:
        certificate = getattr(request.state, "client_certificate", None)
        if self._clients is None or certificate is None:
            return None
        return self._clients.principal(certificate, today)


def _password(encoded: str) -> str:
    """The token that Kafka UIs and scripts, which know names and passwords alone, send as the password."""
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _unknown() -> Problem:
    return Problem(
        401,
        "Who asks?",
        "Send a valid token: Authorization: Bearer ….",
        headers={"WWW-Authenticate": "Bearer"},
    )


def refuse_other_sites(request: Request) -> None:
    """Refuse an act that a page of another site has a browser ask for: `Problem` 403.

    Without tokens everyone on this machine may act, and so might any page they look at; a browser
    sends a client certificate along, too, whoever has it ask.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Problem(403, "Not from there", "Pages of other sites may not act on the hub.")
