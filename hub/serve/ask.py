"""Reads the query parameters of a listing into what the query layer takes."""

import datetime as dt
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from hub.domains import Domain
from hub.serve.problem import Problem

MAX_LIMIT = 500
DEFAULT_LIMIT = 50
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Ask:
    """A listing as asked for. Times are microseconds UTC; the box is west, south, east, north."""

    filters: dict[str, tuple[str, ...]]
    limit: int
    cursor: str | None
    deleted: bool
    since: int | None
    until: int | None
    box: Box | None


def parameters(domain: Domain) -> dict[str, str]:
    """Every query parameter of a domain's listing, with what it means."""
    named = {"force": "Force that owns the record; repeat for several."}
    named |= {c.name: f"{c.doc} Repeat for several." for c in domain.columns if c.filter}
    if has_place(domain):
        named["since"] = "RFC 3339 instant; records created at or after it, as far as their time is known."
        named["until"] = "RFC 3339 instant; records created at or before it."
        named["bbox"] = "West, south, east, north in WGS84 degrees, separated by commas."
    named["limit"] = f"Records a page, 1 to {MAX_LIMIT}; {DEFAULT_LIMIT} unless given."
    named["cursor"] = "`next` of the page before."
    named["deleted"] = "true: list records that their source no longer holds, too."
    return named


def has_place(domain: Domain) -> bool:
    return any(column.name == "latitude" for column in domain.columns)


def read_ask(domain: Domain, query: QueryParams, words: Mapping[str, Sequence[str]]) -> Ask:
    """Read and check the parameters; raises `Problem` 400 that names the wrong one and the remedy.

    `words` are all that can be asked of some: another would find nothing, and look like an answer.
    """
    known = parameters(domain)
    for name in query:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            remedy = f"Did you mean '{close[0]}'?" if close else f"Known are: {', '.join(known)}."
            raise _bad(f"'{name}' is not a parameter of /{domain.path}. {remedy}")
    filters = {
        name: tuple(query.getlist(name))
        for name in ("force", *(c.name for c in domain.columns if c.filter))
        if name in query
    }
    for name, asked in filters.items():
        if name in words and not set(asked) <= set(words[name]):
            raise _bad(f"'{name}' is one of {', '.join(words[name])}.")
    return Ask(
        filters=filters,
        limit=read_limit(query),
        cursor=query.get("cursor"),
        deleted=_deleted(query),
        since=_instant(query, "since"),
        until=_instant(query, "until"),
        box=_box(query),
    )


def read_limit(query: QueryParams) -> int:
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) or not 1 <= int(text) <= MAX_LIMIT:
        raise _bad(f"'limit' is a whole number from 1 to {MAX_LIMIT}.")
    return int(text)


def _deleted(query: QueryParams) -> bool:
    text = query.get("deleted", "false").lower()
    if text not in {"true", "false"}:
        raise _bad("'deleted' is true or false.")
    return text == "true"


def _instant(query: QueryParams, name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    wrong = _bad(f"'{name}' is an instant such as 2016-11-05T14:30:00Z, with its offset.")
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        raise wrong from None
    if instant.tzinfo is None:
        raise wrong
    return (instant - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _box(query: QueryParams) -> Box | None:
    text = query.get("bbox")
    if text is None:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise _bad("'bbox' is west,south,east,north in degrees, such as -1.4,52.4,-0.9,52.8.") from None
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise _bad("'bbox' needs west <= east within 180 and south <= north within 90 degrees.")
    return west, south, east, north


def _bad(detail: str) -> Problem:
    return Problem(400, "That was not understood", detail)
