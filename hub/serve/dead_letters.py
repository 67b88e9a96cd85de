"""Dead letters over HTTP: the same verbs as `alliance-hub dlq`, behind the same office.

Who asks is told by the bearer token, and why by the header `Justification`.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from hub.access import APPROVE, OPERATE, Principal
from hub.dead_letters.jobs import Job, Jobs, numbers
from hub.dead_letters.office import Office
from hub.dead_letters.search import Search, read_instant, read_states
from hub.domains import DOMAINS
from hub.errors import BadQueryError, ConflictError, NotAllowedError, NotFoundError
from hub.serve.ask import read_limit
from hub.serve.caller import refuse_other_sites
from hub.serve.desk import Desk
from hub.serve.letters_asked import EXPORTED, LISTED, Discard, Edit, Replay, Which
from hub.serve.problem import Problem

_LONGEST_BODY = 16 * 1024 * 1024
Asked = TypeVar("Asked", Edit, Replay, Discard)


def routes(desk: Desk, office: Office, jobs: Jobs, *, per_second: float) -> list[Route]:
    """Make the routes."""
    board = _DeadLetters(desk, office, jobs, per_second)
    one = "/dead-letters/{topic}/{key}"
    return [
        Route("/dead-letters", board.listing),
        Route("/dead-letters/export", board.export),
        Route("/dead-letters/discards", board.discard, methods=["POST"]),
        Route("/dead-letters/replays", board.replay, methods=["POST"]),
        Route("/dead-letters/replays/{job}", board.job, methods=["GET", "DELETE"]),
        Route(one, board.one),
        Route(f"{one}/edit", board.edit, methods=["PUT"]),
        Route(f"{one}/approve", board.approve, methods=["POST"]),
    ]


class _DeadLetters:
    def __init__(self, desk: Desk, office: Office, jobs: Jobs, per_second: float) -> None:
        self._desk = desk
        self._office = office
        self._jobs = jobs
        self._per_second = per_second

    def listing(self, request: Request) -> Response:
        """`GET /dead-letters`: what each is and where it stands, newest first."""
        who, why = self._caller(request)
        return _answered(lambda: self._page(request, who, why))

    def one(self, request: Request) -> Response:
        """`GET /dead-letters/{topic}/{key}`: original and what could be decoded, masked unless asked."""
        who, why = self._caller(request)
        return _answered(
            lambda: self._office.reading.show(who, _id(request), unmasked=_unmasked(request), why=why)
        )

    def export(self, request: Request) -> Response:
        """`GET /dead-letters/export`: whole letters as JSON lines, oldest first."""
        who, why = self._caller(request)
        recipient = request.query_params.get("recipient", "")
        letters = _told(
            lambda: self._office.reading.export(
                who, _search(request, EXPORTED), unmasked=_unmasked(request), why=why, recipient=recipient
            )
        )
        return StreamingResponse(_lines(letters), media_type="application/x-ndjson")

    async def edit(self, request: Request) -> Response:
        """`PUT …/edit`: some fields set, or a whole value, to be replayed in the original's place."""
        asked = await _body(request, Edit)
        return await run_in_threadpool(self._edit, request, asked)

    def approve(self, request: Request) -> Response:
        """`POST …/approve`: another person than who edited it says that it may be replayed."""
        refuse_other_sites(request)
        who, why = self._caller(request)
        return _answered(lambda: self._office.approve(who, _id(request), why=why))

    async def discard(self, request: Request) -> Response:
        """`POST /dead-letters/discards`: resolve letters without their records; needs a reason."""
        asked = await _body(request, Discard)
        return await run_in_threadpool(self._discard, request, asked)

    async def replay(self, request: Request) -> Response:
        """`POST /dead-letters/replays`: begin a replay, or say what one would come to."""
        asked = await _body(request, Replay)
        return await run_in_threadpool(self._replay, request, asked)

    def job(self, request: Request) -> Response:
        """`GET /dead-letters/replays/{job}`: how far it is; `DELETE` stops it after the batch under way."""
        who, _ = self._caller(request)
        job = self._jobs.get(request.path_params["job"])
        if job is None or not self._may_see(who, job):
            raise Problem(404, "Not found", "No replay has this id, or it is another person's.")
        if request.method == "DELETE":
            refuse_other_sites(request)
            job.stop.set()
        return JSONResponse(job.describe(), 202 if request.method == "DELETE" else 200)

    def _page(self, request: Request, who: Principal, why: str) -> dict[str, Any]:
        query = request.query_params
        page = self._office.reading.page(
            who, _search(request, LISTED), limit=read_limit(query), cursor=query.get("cursor", ""), why=why
        )
        return {"letters": page.letters, "next": page.next}

    def _edit(self, request: Request, asked: Edit) -> Response:
        who, why = self._caller(request)
        return _answered(
            lambda: self._office.edit(who, _id(request), fields=asked.fields, value=asked.value, why=why)
        )

    def _discard(self, request: Request, asked: Discard) -> Response:
        who, why = self._caller(request)
        letters = _told(lambda: self._office.reading.find(who, _bounded(asked)))
        refused = _told(lambda: self._office.discard(who, letters, why))
        return JSONResponse(
            {"discarded": len(letters) - len(refused), "refused": numbers(refused)["letters"]}
        )

    def _replay(self, request: Request, asked: Replay) -> Response:
        who, why = self._caller(request)
        search = _told(lambda: _bounded(asked))
        if asked.dry_run:
            return _answered(lambda: numbers(self._office.dry_run(who, search)))
        letters = _told(lambda: self._office.operated(who, search))
        per_second = asked.per_second or self._per_second
        job = _told(lambda: self._jobs.start(who, letters, why=why, per_second=per_second))
        return JSONResponse(job.describe(), 202)

    def _caller(self, request: Request) -> tuple[Principal, str]:
        """Who asks and why; `Problem` 403 for those who may do nothing here at all."""
        who = self._desk.callers.principal(request)
        decide = self._desk.policy.decide
        if not any(
            decide(who, verb, domain, force).allowed
            for verb in (OPERATE, APPROVE)
            for domain in DOMAINS
            for force in self._desk.forces
        ):
            raise Problem(403, "Not allowed", f"'{who.name}' holds no role that may look at dead letters.")
        return who, self._desk.callers.justification(request)

    def _may_see(self, who: Principal, job: Job) -> bool:
        everywhere = all(
            self._desk.policy.decide(who, OPERATE, domain, force).allowed
            for force, domain in self._desk.feeds
        )
        return job.by == who.name or everywhere


def _id(request: Request) -> str:
    return f"{request.path_params['topic']}/{request.path_params['key']}"


def _unmasked(request: Request) -> bool:
    return request.query_params.get("unmasked", "false").lower() == "true"


def _search(request: Request, known: Sequence[str]) -> Search:
    query = request.query_params
    for name in query:
        if name not in known:
            raise BadQueryError(f"'{name}' is no parameter here; known are: {', '.join(known)}.")
    return Search(
        forces=tuple(query.getlist("force")),
        domains=tuple(query.getlist("domain")),
        stages=tuple(query.getlist("stage")),
        states=read_states(query.getlist("state")),
        error=query.get("error", ""),
        since=read_instant("since", query.get("since", "")),
        until=read_instant("until", query.get("until", "")),
        key=query.get("key", ""),
    )


def _bounded(asked: Which) -> Search:
    """The letters meant; everything only where that is said."""
    search = asked.search()
    if search == Search() and not asked.every:
        raise BadQueryError("Say which letters are meant: ids, filters, or 'all': true.")
    return search


async def _body(request: Request, kind: type[Asked]) -> Asked:
    refuse_other_sites(request)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_BODY:
            raise Problem(413, "Too much", f"The body is up to {_LONGEST_BODY} bytes.")
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())
        raise Problem(400, "That was not understood", f"{said}.") from None


Result = TypeVar("Result")


def _told(act: Callable[[], Result]) -> Result:
    """What an act gives; the office's errors as problems."""
    try:
        return act()
    except NotAllowedError as error:
        raise Problem(403, "Not allowed", str(error)) from error
    except NotFoundError as error:
        raise Problem(404, "Not found", str(error)) from error
    except ConflictError as error:
        raise Problem(409, "Not as it is now", str(error)) from error
    except BadQueryError as error:
        raise Problem(400, "That was not understood", str(error)) from error


def _answered(act: Callable[[], Any]) -> Response:
    return JSONResponse(_told(act))


def _lines(letters: Iterator[dict[str, Any]]) -> Iterator[str]:
    for letter in letters:
        yield json.dumps(letter) + "\n"
