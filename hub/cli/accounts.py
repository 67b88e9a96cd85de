"""Counts every row from the legacy system to the API, and says where the counts do not add up.

Each stage's own count is compared with the next one's, with what the topics hold, with the
legacy system's own count, and with what paging the API gives (invariant 5).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx

from connectors.positions import Positions
from hub.bus.contract import Bus
from hub.cli.parts import Parts
from hub.dead_letters.book import Book, topics_of
from hub.dead_letters.cases import State
from hub.domains import DOMAINS
from hub.forces import Feed
from hub.metrics import READ_OUTCOMES
from hub.normalise.counts import Counts, read_counts
from hub.normalise.loop import GROUP
from hub.view.query import Query

CountRows = Callable[[str, str], int]
"""Counts the live rows of a force's domain in the legacy system itself."""

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the rows of one feed, stage by stage."""

    feed: Feed
    source_rows: int
    read: dict[str, int]
    in_topic: int
    topic_end: int
    dead_rows: int
    """Different rows among the dead letters; one may be there again from every extract."""
    mapped: Counts
    view: dict[str, int]
    paged: int
    replayed: Mapping[str, int] = field(default_factory=dict)
    """What became of the dead letters: `replayed_<stage>`, `resent`, and `rows_gone` of those let go."""

    @property
    def normalised(self) -> int:
        """With those that were dead letters first, and replayed."""
        return self.mapped.normalised + self.replayed.get("replayed_normalise", 0)

    @property
    def dead_lettered(self) -> int:
        """Events and records that are dead letters still, or were discarded."""
        later = self.mapped.dead_lettered - self.replayed.get("replayed_normalise", 0)
        return later + self.view["dead_lettered"] - self.replayed.get("replayed_view", 0)

    def faults(self) -> Iterator[str]:
        """Each equation that does not hold, with its numbers."""
        read, view = self.read, self.view
        yield from self._differs(
            "read + derived = published + unchanged + other_force + dead_lettered",
            read["read"] + read["derived"],
            sum(read[name] for name in ("published", "unchanged", "other_force", "dead_lettered")),
        )
        # A topic without a gap in its offsets has never been compacted, so it holds all that was published.
        if self.in_topic > read["published"] or self.in_topic == self.topic_end < read["published"]:
            yield from self._differs("published = records in the topic", read["published"], self.in_topic)
        yield from self._differs(
            "published = normalised + dead_lettered",
            read["published"],
            self.mapped.normalised + self.mapped.dead_lettered,
        )
        arrived = view["applied"] + view["superseded"] + view["dead_lettered"]
        # One that the view replayed arrived twice, as did a newer one that a replay had passed.
        twice = self.replayed.get("replayed_view", 0) + self.replayed.get("resent", 0)
        # What was normalised anew arrives once more; whether all of it could be mapped is not counted.
        if not self.normalised <= arrived - twice <= self.normalised + self.mapped.again:
            yield from self._differs("normalised = applied + superseded", self.normalised, arrived - twice)
        yield from self._differs("visible = paged", view["visible"], self.paged)
        if not 0 <= self.source_rows - view["visible"] <= self.dead_rows:
            yield from self._differs(
                f"source_rows = visible, but for {self.dead_rows} rows dead-lettered",
                self.source_rows,
                view["visible"],
            )

    def _differs(self, equation: str, left: int, right: int) -> Iterator[str]:
        if left != right:
            yield f"{self.feed}: {equation}: {left} is not {right}"


def take_accounts(parts: Parts, feeds: Sequence[Feed], count_rows: CountRows, address: str) -> list[Account]:
    """Take stock of these feeds, while nothing moves."""
    seen = Query(parts.store, parts.codec).counts()
    with (
        httpx.Client(base_url=address, timeout=60, headers={"Justification": "reconciliation"}) as client,
        closing(Book(parts.bus, parts.codec, topics_of(feeds))) as book,
    ):
        book.refresh()
        return [
            _account(parts, feed, count_rows, seen[feed.domain].get(feed.force), client, book)
            for feed in feeds
        ]


def _account(
    parts: Parts,
    feed: Feed,
    count_rows: CountRows,
    view: dict[str, int] | None,
    client: httpx.Client,
    book: Book,
) -> Account:
    replayed = book.counts(feed.force, feed.domain)
    held = [received.value is None for received in parts.bus.read_all(feed.topic)]
    erasures = sum(held)  # orders, which no connector published
    return Account(
        feed=feed,
        source_rows=count_rows(feed.force, feed.domain),
        read=Positions(feed, parts.bus, parts.codec).counts,
        in_topic=len(held) - erasures,
        topic_end=sum(parts.bus.end_offsets([feed.topic]).values()) - erasures,
        dead_rows=len(_dead_rows(book, feed)) + replayed["rows_gone"],
        mapped=_normalised(parts.bus, feed),
        view=view or dict.fromkeys(("applied", "superseded", "dead_lettered", "visible", "deleted"), 0),
        paged=_page_through(client, feed),
        replayed=replayed,
    )


def _normalised(bus: Bus, feed: Feed) -> Counts:
    """The normaliser's own counts, kept beside its offsets."""
    kept = [read_counts(offset) for offset in bus.group_offsets(GROUP, [feed.topic]).values()]
    return Counts(
        normalised=sum(each.normalised for each in kept),
        dead_lettered=sum(each.dead_lettered for each in kept),
        again=sum(each.again for each in kept),
    )


def _dead_rows(book: Book, feed: Feed) -> set[str]:
    """What tells the rows of a feed's dead letters apart, whatever their stage, but for those replayed."""
    return {
        letter.about["record_id"] or letter.about["sha256"]
        for letter in book
        if letter.about["force"] == feed.force
        and letter.about["domain"] == feed.domain
        and book.case(letter.id).state is not State.REPLAYED
    }


def _page_through(client: httpx.Client, feed: Feed) -> int:
    """How many different live records the API gives, asked for page by page."""
    ids: set[str] = set()
    query: dict[str, str | int] = {"force": feed.force, "limit": _PAGE}
    while True:
        answer = client.get(f"/{DOMAINS[feed.domain].path}", params=query).raise_for_status().json()
        ids.update(record["id"] for record in answer["records"])
        if answer["next"] is None:
            return len(ids)
        query["cursor"] = answer["next"]


def make_report(
    accounts: Sequence[Account], *, skipped: Sequence[str], elapsed_seconds: float
) -> dict[str, Any]:
    """Make the reconciliation; `failing` names every equation that does not hold."""
    failing = [fault for account in accounts for fault in account.faults()]
    forces: dict[str, dict[str, Any]] = {}
    for account in accounts:
        both = {"visible": account.view["visible"], "paged": account.paged}
        forces.setdefault(account.feed.force, {})[account.feed.domain] = both
    return {
        "balanced": not failing,
        "failing": failing,
        "sources": {
            str(account.feed): {"source_rows": account.source_rows}
            | {name: account.read[name] for name in READ_OUTCOMES}
            for account in accounts
        },
        "domains": {
            name: _domain([account for account in accounts if account.feed.domain == name])
            for name in DOMAINS
        },
        "forces": forces,
        "skipped": list(skipped),
        "elapsed_seconds": round(elapsed_seconds, 3),
    }


def _domain(accounts: Sequence[Account]) -> dict[str, int]:
    return {
        "published": sum(account.read["published"] for account in accounts),
        "normalised": sum(account.normalised for account in accounts),
        "dead_lettered": sum(account.dead_lettered for account in accounts),
    } | {
        name: sum(account.view[name] for account in accounts)
        for name in ("applied", "superseded", "visible", "deleted")
    }
