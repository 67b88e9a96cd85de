"""Builds the dead-letter office of a process from its parts."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from connectors.replayed_row import parse_row
from hub.access import Policy
from hub.audit import Entry
from hub.cli.parts import Parts
from hub.dead_letters.book import Book, topics_of
from hub.dead_letters.contents import Contents
from hub.dead_letters.lookout import World
from hub.dead_letters.office import Office
from hub.dead_letters.reading import Reading
from hub.dead_letters.writer import Pen, Writer

if TYPE_CHECKING:
    from hub.normalise.boundary import Boundary


def make_office(parts: Parts, audit: Callable[[Entry], None] | None = None) -> Office:
    """Make the office; consultations go to `audit`, or where there is none the way of every other act."""
    feeds = {(feed.force, feed.domain): feed for feed in parts.feeds()}
    writer = Writer(parts.bus, parts.codec, Book(parts.bus, parts.codec, topics_of(feeds.values())))
    world = World(parts.bus, parts.codec, lambda: parts.store, feeds)

    def contents(feed: tuple[str, str]) -> Contents:
        return Contents(feeds[feed], parts.codec, parse_row, lambda: _boundary(parts))

    reading = Reading(
        world,
        writer,
        Policy(),
        contents,
        audit=audit or (lambda entry: writer.work(lambda pen: _write(pen, entry))),
        approval=parts.settings.dead_letters.approval,
    )
    return Office(world, writer, reading)


def _write(pen: Pen, entry: Entry) -> None:
    with pen.transaction():
        pen.audit(entry)


def _boundary(parts: Parts) -> "Boundary | None":
    """The same as the normaliser's, so that a replayed record is placed as the others are."""
    from hub.normalise.boundary import load_boundary

    boundary = parts.settings.boundary
    return load_boundary(boundary, parts.forces) if boundary else None
