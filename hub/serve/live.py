"""The live stream: changes as server-sent events, in the order of their change numbers."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from hub.errors import HubError
from hub.serve.problem import failure

POLL_SECONDS = 0.1
FRESHNESS_SECONDS = 2.0
PAGE = 200

Change = tuple[int, str, dict[str, Any]]
"""A change as shown: its number, the noun of its domain, the record as the caller may see it."""

Changes = Callable[[int], tuple[int, list[Change]]]
"""Given a change number, the number read up to and what changed after it."""


def stream(
    request: Request,
    after: int,
    changes: Changes,
    freshness: Callable[[], dict[str, Any]],
    allowed: Callable[[], bool],
) -> StreamingResponse:
    """Answer with events `<noun>` (a record) and `freshness`, until the caller goes away.

    The stream also ends with the longest life of its connection, soon after `allowed` says no, and
    where store or audit log fail. Each record's event id is its change number, so a browser that
    reconnects misses nothing.
    """
    return StreamingResponse(
        _until_it_fails(_events(request, after, changes, freshness, allowed)),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no", "Connection": "close"},
    )


async def _until_it_fails(events: AsyncIterator[str]) -> AsyncIterator[str]:
    """The answer has begun, so there is no other way to say that it fails than to end it."""
    try:
        async for event in events:
            yield event
    except HubError as error:
        failure(error)


async def _events(
    request: Request,
    after: int,
    changes: Changes,
    freshness: Callable[[], dict[str, Any]],
    allowed: Callable[[], bool],
) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    next_freshness = 0.0
    ends_at = getattr(request.state, "ends_at", math.inf)
    while loop.time() < ends_at and not await request.is_disconnected():
        if loop.time() >= next_freshness:
            if not allowed():
                return
            yield _event("freshness", await run_in_threadpool(freshness))
            next_freshness = loop.time() + FRESHNESS_SECONDS
        before = after
        after, records = await run_in_threadpool(changes, after)
        for number, noun, record in records:
            yield _event(noun, record, number)
        if after == before:
            await asyncio.sleep(POLL_SECONDS)


def _event(kind: str, data: dict[str, Any], number: int | None = None) -> str:
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
