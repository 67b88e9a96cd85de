"""A feed over HTTP, in XML or JSON, read page by page with a continuation token.

page    {token}              where the next page begins; {expired} once a token was refused
~page   {token, listing}     the same within a listing of everything, which ends with the process
"""

import time
from collections.abc import Callable
from typing import TypeVar

from connectors.source import Batch, Position
from connectors.sources.feed_count import count_pages
from connectors.sources.feed_http import Answer, Web
from connectors.sources.feed_json import JsonPages
from connectors.sources.feed_page import Page, PageError, Pages, UnsafePageError
from connectors.sources.feed_settings import feed_settings
from connectors.sources.feed_xml import XmlPages
from hub.errors import SourceChangedError, TransientError
from hub.forces import Feed

Parsed = TypeVar("Parsed")
_RESTART_SECONDS = 60
_TOKENS_REMEMBERED = 100_000


class FeedSource:
    """Reads the pages of one feed.

    A page that comes twice changes nothing, since its items carry versions or are compared
    with what is known. After an expired token the feed is read from its beginning; where it
    lists all it holds (`start_lists_all`), what is missing from that is removed.
    """

    def __init__(
        self, feed: Feed, location: str, secret: str | None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._feed = feed
        self._settings, columns = feed_settings(feed)
        self._pages: Pages = (XmlPages if self._settings.format == "xml" else JsonPages)(
            self._settings, columns
        )
        self._web = Web(feed, self._settings, location, secret, clock)
        self._clock = clock
        self._told: set[str] = set()
        self._asked: set[str | None] = set()
        self._following: str | None = None
        self._stuck_at: str | None = None
        self._listings = 0
        self._restarted = float("-inf")
        self._known: tuple[str | None, dict[str, str]] = (None, {})
        self._complete_to = 0

    def read(self, position: Position) -> Batch:
        listing, token = self._where(position)
        if token != self._following:
            self._asked.clear()  # not where the last page led: what was asked since is not kept
        answer = self._ask(token)
        if answer.status in self._settings.token_expired:
            return self._restart(token)
        if answer.status == 304:
            return self._unchanged(position, answer)
        page = self._page(answer.body, token)
        return self._batch(position, page, answer, listing, token)

    def count(self) -> int:
        """The items the feed says it holds, or those found by reading all of its pages."""
        param = self._settings.count_param
        if param is not None:
            return self._parsed(lambda: self._pages.count(self._web.get({param: "1"}, {}).body))
        return count_pages(lambda token: self._page(self._ask(token, again=False).body, token))

    def close(self) -> None:
        self._web.close()

    def _where(self, position: Position) -> tuple[int | None, str | None]:
        """The listing under way, if one is, and the token to ask with."""
        page = position.get("page", {})
        if "expired" not in page:
            return None, page.get("token")
        step = position.get("~page")
        if step is None:
            self._listings += 1
            return self._listings, None
        return step["listing"], step["token"]

    def _ask(self, token: str | None, *, again: bool = True) -> Answer:
        params = {} if token is None else {self._settings.token_param: token}
        known_token, headers = self._known
        expected = () if token is None else self._settings.token_expired
        return self._web.get(params, headers if again and known_token == token else {}, expected)

    def _page(self, body: bytes, token: str | None) -> Page:
        place = "first page" if token is None else f"page after '{token[:80]}'"
        return self._parsed(lambda: self._pages.page(body, place))

    def _parsed(self, parse: Callable[[], Parsed]) -> Parsed:
        try:
            return parse()
        except PageError as error:
            raise TransientError(
                f"{self._feed}: what {self._web.shown} sent is no page of this feed: {error}. "
                "Asked again later; if it stays so, mend the feed."
            ) from None
        except UnsafePageError:
            raise SourceChangedError(
                f"{self._feed}: {self._web.shown} sent XML with a document type, which could hide entities: "
                "refused whole. Have the feed send plain XML."
            ) from None

    def _batch(
        self, position: Position, page: Page, answer: Answer, listing: int | None, token: str | None
    ) -> Batch:
        notes = self._unread(page)
        if not page.complete and (page.next is None or page.next == token or page.next in self._asked):
            return self._stuck(position, page, listing, token, notes)
        self._stuck_at = None
        idle = page.complete and not page.rows and page.next in {token, None}
        self._known = (token, _validators(answer)) if idle else (None, {})
        if page.complete or len(self._asked) > _TOKENS_REMEMBERED:
            self._asked.clear()
        if not page.complete:
            self._asked.add(token)
        self._following = token if page.next is None else page.next
        after = self._after(page, listing)
        return Batch(
            rows=page.rows,
            position=position if after == position else after,
            complete_to=self._reached(page.as_of, answer.date) if page.complete else None,
            more=not page.complete,
            snapshot=None if listing is None else f"listing {listing}",
            snapshot_ends=listing is not None and page.complete,
            notes=notes,
        )

    def _after(self, page: Page, listing: int | None) -> Position:
        following = self._following
        if listing is not None and not page.complete:
            return {"page": {"expired": True}, "~page": {"token": following, "listing": listing}}
        return {} if following is None else {"page": {"token": following}}

    def _reached(self, as_of: int | None, date: int | None) -> int | None:
        """The source time up to which all is read; it never runs back."""
        stated = date if as_of is None else as_of
        if stated is None:
            return None
        self._complete_to = max(self._complete_to, stated)
        return self._complete_to

    def _unchanged(self, position: Position, answer: Answer) -> Batch:
        return Batch(rows=(), position=position, complete_to=self._reached(None, answer.date))

    def _stuck(
        self, position: Position, page: Page, listing: int | None, token: str | None, notes: list[str]
    ) -> Batch:
        """Take what such a page holds once, but do not follow it round and round."""
        self._following = token
        if self._stuck_at == (token or ""):
            self._asked.clear()
            raise TransientError(
                f"{self._feed}: {self._web.shown} says there is more but leads back to a page that was "
                "read. Asked again later; if it stays so, mend the feed."
            )
        self._stuck_at = token or ""
        return Batch(
            rows=page.rows,
            position=position,
            snapshot=None if listing is None else f"listing {listing}",
            notes=[*notes, "the page says there is more but leads back to a page that was read."],
        )

    def _restart(self, token: str | None) -> Batch:
        """Begin anew after a token was refused, at most once a minute."""
        now = self._clock()
        if 0 <= now - self._restarted < _RESTART_SECONDS:  # a clock set back forbids nothing
            raise TransientError(
                f"{self._feed}: {self._web.shown} refuses its own tokens; asked again later.",
                retry_after_seconds=_RESTART_SECONDS,
            )
        self._restarted = now
        self._asked.clear()
        expired = {"page": {"expired": True}} if self._settings.start_lists_all else {}
        note = f"the feed no longer takes token '{(token or '')[:80]}': read again from its beginning."
        anew = not expired and self._settings.version_column is None  # a stated version tells what is old
        return Batch(rows=(), position=expired, more=True, anew=anew, notes=[note])

    def _unread(self, page: Page) -> list[str]:
        """Say what a page holds beyond what is asked for, each name once."""
        new = sorted(page.unread - self._told)[:20]
        self._told.update(new)
        return [f"the feed holds what is not asked for and not read: {', '.join(new)}."] if new else []


def _validators(answer: Answer) -> dict[str, str]:
    """The headers that ask for a page only if it changed."""
    if answer.etag:
        return {"If-None-Match": answer.etag}
    return {"If-Modified-Since": answer.modified} if answer.modified else {}
