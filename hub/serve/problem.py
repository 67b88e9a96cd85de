"""Errors as answers: RFC 9457 problem details."""

from collections.abc import Mapping

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hub.errors import HubError, TransientError

log = structlog.get_logger()

ASK_AGAIN_SECONDS = "5"


class Problem(Exception):  # noqa: N818 the standard's own word
    """An answer that says what is wrong with a request and how to mend it."""

    def __init__(
        self, status: int, title: str, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers

    def response(self) -> Response:
        body = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        return JSONResponse(body, self.status, self.headers, media_type="application/problem+json")


def answer(_: Request, error: Exception) -> Response:
    """Starlette's handler for `Problem`."""
    assert isinstance(error, Problem)
    return error.response()


def failed(_: Request, error: Exception) -> Response:
    """Starlette's handler for a store or an audit log that fails."""
    assert isinstance(error, HubError)
    return failure(error).response()


def failure(error: HubError) -> Problem:
    """Tell the log that store or audit log fail; what to answer, for nothing may be shown then."""
    log.error("request failed", error=type(error).__name__, message=str(error))
    if isinstance(error, TransientError):
        again = {"Retry-After": ASK_AGAIN_SECONDS}
        return Problem(503, "Not just now", "A part of the hub does not answer; ask again.", headers=again)
    return Problem(500, "The hub failed", "Its log tells the operator what to do.")
