"""Asks connectors to take rows in again, and takes in what they answered."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from hub.bus.contract import Bus
from hub.control import REPLAY, Control, Wish
from hub.dead_letters.book import Book, Letter
from hub.dead_letters.cases import Act, Case, State
from hub.dead_letters.examine import Row
from hub.dead_letters.rows import FAILED, STALE, Answer, answer_of, letter_of
from hub.dead_letters.writer import Pen, Writer
from hub.forces import Feed
from hub.schema.codec import Codec

FeedKey = tuple[str, str]


class RowWishes:
    """The wishes `replay/<letter>` of every feed."""

    def __init__(self, bus: Bus, codec: Codec, feeds: Mapping[FeedKey, Feed], writer: Writer) -> None:
        self._control = Control(bus, codec, clock=writer.clock)
        self._feeds = feeds
        self._writer = writer

    def ask(self, rows: Sequence[Row], by: str, why: str) -> None:
        """Ask for rows, in the order given, once their cases say so."""
        of: dict[FeedKey, list[Row]] = defaultdict(list)
        for row in rows:
            of[row.letter.feed].append(row)
        for feed, asked in of.items():
            self._control.ask_all(self._feeds[feed], {row.name: row.wish for row in asked}, by=by, reason=why)

    def withdraw(self, letter: Letter) -> None:
        self._control.withdraw(self._feeds[letter.feed], REPLAY + letter.id)

    def waiting(self) -> list[Letter]:
        """The letters whose connectors have been asked, as the book has it."""
        book = self._writer.book
        return [letter for letter in book if book.case(letter.id).state is State.ASKED]

    def take_in(self) -> list[tuple[str, Answer]]:
        """Give every answer that has come to its case, and take the wish away; the letters, with answers."""
        with self._writer.lock:
            self._writer.book.refresh()
        taken: list[tuple[str, Answer]] = []
        for feed in {letter.feed for letter in self.waiting()}:
            answers = self._answers(self._feeds[feed])
            if answers:
                self._writer.work(lambda pen, answers=answers: _conclude(pen, self._writer.book, answers))  # type: ignore[misc]
                self._control.withdraw(self._feeds[feed], *(wish.name for wish, _ in answers))
                taken += [(letter_of(wish), answer) for wish, answer in answers]
        return taken

    def _answers(self, feed: Feed) -> list[tuple[Wish, Answer]]:
        wishes = [wish for name, wish in self._control.read(feed).items() if name.startswith(REPLAY)]
        return [(wish, answer) for wish in wishes if (answer := answer_of(wish)) is not None]


def _conclude(pen: Pen, book: Book, answers: Iterable[tuple[Wish, Answer]]) -> None:
    """Once for each letter: one whose case says more by now is left as it is."""
    asked = [(book.get(letter_of(wish)), wish, answer) for wish, answer in answers]
    known = [
        (letter, wish, answer)
        for letter, wish, answer in asked
        if letter is not None and book.case(letter.id).state is State.ASKED
    ]
    if not known:
        return
    replayed: dict[FeedKey, Counter[str]] = defaultdict(Counter)
    with pen.transaction():
        for letter, wish, answer in known:
            case = _concluded(book.case(letter.id), wish, answer, pen.now())
            pen.put(letter, case)
            if case.resolved:
                replayed[letter.feed]["replayed_read"] += 1
        for feed, counts in replayed.items():
            pen.count(*feed, counts)


def _concluded(case: Case, wish: Wish, answer: Answer, now: int) -> Case:
    if answer.outcome == FAILED:
        return case.after(State.FAILED, Act("failed", wish.by, now, answer.why))
    if answer.outcome == STALE:
        return case.after(case.unasked, Act("stale", wish.by, now, answer.why))
    return case.after(State.REPLAYED, Act("replayed", wish.by, now, answer.outcome))
