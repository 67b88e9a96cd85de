"""Tells what a reconciliation came to: for a person, and as JSON."""

from collections.abc import Iterator
from typing import Any

from connectors.looks import DEAD_LETTERED, DIFFERENCES, TOLD, Look, Result
from hub.events import iso_micros

_FIRST = 20
"""So many of each kind are named for a person; --json names all."""


def lines(result: Result, day: str | None, *, fields: bool, values: bool) -> Iterator[str]:
    kinds = ", ".join(f"{result.kinds[kind]:,} {_word(kind)}" for kind in TOLD if result.kinds[kind])
    source, view = result.total("source"), result.total("view")
    yield f"{result.feed}: source {source:,}, view {view:,}: {kinds or 'the same'}"
    yield from (f"  {note}" for note in _notes(result))
    for name, counts in sorted(result.days.items()):
        told = ", ".join(f"{counts[kind]:,} {_word(kind)}" for kind in TOLD if counts[kind])
        if told and day in {None, name}:
            yield f"  {name or 'no day'}: source {counts['source']:,}, view {counts['view']:,}: {told}"
            yield from _named(result, name, fields=fields, values=values)


def _named(result: Result, day: str, *, fields: bool, values: bool) -> Iterator[str]:
    """The records of a day of which a person should know, the first of each kind."""
    for kind in (*DIFFERENCES, DEAD_LETTERED):
        looks = [look for look in result.looks.values() if (look.kind, look.day) == (kind, day)]
        for look in looks[:_FIRST]:
            yield f"    {_word(kind)}: {look.key}{f' ({look.reason})' if look.reason else ''}"
            if fields:
                yield from (f"      {line}" for line in _fields(look, values=values))
        if len(looks) > _FIRST:
            yield f"    {_word(kind)}: {len(looks) - _FIRST:,} more; --json names them"


def _fields(look: Look, *, values: bool) -> Iterator[str]:
    for name, (source, view) in look.fields.items():
        yield f"{name}: source {source!r}, view {view!r}" if values else name


def _notes(result: Result) -> Iterator[str]:
    if result.behind:
        upto = "at all" if result.complete_to is None else f"beyond {iso_micros(result.complete_to)}"
        yield f"the view is not known to be complete {upto}, so what differs may be on its way"
    if result.changing:
        yield f"{result.changing:,} records went on changing while they were looked at; the next time tells"
    if not result.to_the_end:
        yield "the source did not tell that it was read to its end: something in it waits, see the connector"


def _word(kind: str) -> str:
    return kind.replace("_", " ")


def as_dict(result: Result, day: str | None, *, values: bool) -> dict[str, Any]:
    return {
        "force": result.feed.force,
        "domain": result.feed.domain,
        "same": not result.differences,
        "behind": result.behind,
        "changing": result.changing,
        "read_to_the_end": result.to_the_end,
        "complete_to": None if result.complete_to is None else iso_micros(result.complete_to),
        "source": result.total("source"),
        "view": result.total("view"),
        **{kind: result.kinds[kind] for kind in TOLD},
        "days": {
            name: {side: counts[side] for side in ("source", "view", *TOLD)}
            for name, counts in sorted(result.days.items())
            if day in {None, name}
        },
        "records": [
            _record(look, values=values) for look in result.looks.values() if day in {None, look.day}
        ],
    }


def _record(look: Look, *, values: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"key": look.key, "kind": look.kind, "day": look.day, "reason": look.reason}
    if values:
        return told | {"fields": {n: {"source": s, "view": v} for n, (s, v) in look.fields.items()}}
    return told | {"fields": list(look.fields)}
