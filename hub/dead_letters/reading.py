"""Reading dead letters: who may see which, and how much of them; each look is in the audit log first."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from hub.access import APPROVE, OPERATE, READ, Policy, Principal
from hub.audit import Entry
from hub.dead_letters.book import Letter
from hub.dead_letters.contents import ALL_CLASSES, Contents
from hub.dead_letters.examine import Examiner
from hub.dead_letters.lookout import World
from hub.dead_letters.search import Search
from hub.dead_letters.shown import summary, whole
from hub.dead_letters.writer import Writer
from hub.errors import BadQueryError, ConflictError, NotAllowedError, NotFoundError

_EXPORTED_AT_ONCE = 200


class Page(NamedTuple):
    letters: Sequence[dict[str, Any]]
    next: str | None
    """Cursor of the page after this one; None on the last."""


class Reading:
    """May be shared by threads. `contents` makes the contents of one feed; it is asked once for each.

    Operators and approvers see letters masked. To see one whole takes the right to read restricted
    records of its force, since one that could not be read does not say whether it is of such a record.
    """

    def __init__(
        self,
        world: World,
        writer: Writer,
        policy: Policy,
        contents: Callable[[tuple[str, str]], Contents],
        *,
        audit: Callable[[Entry], None],
        approval: bool,
    ) -> None:
        self._world = world
        self._writer = writer
        self._policy = policy
        self._make_contents = contents
        self._contents: dict[tuple[str, str], Contents] = {}
        self._examiners: dict[tuple[str, str], Examiner] = {}
        self._audit = audit
        self._approval = approval

    def page(
        self, who: Principal, search: Search, *, limit: int = 50, cursor: str = "", why: str = ""
    ) -> Page:
        """The letters meant that this principal may see, newest first."""
        found = self.find(who, search)[::-1]
        if cursor:
            found = [letter for letter in found if _place(letter) < _read_cursor(cursor)]
        page, more = found[:limit], found[limit:]
        with self._writer.lock:
            shown = [summary(letter, self._writer.book.case(letter.id)) for letter in page]
        self._look(who, "consultation", page, f"dead letters, {search.words}", why)
        return Page(shown, "/".join(map(str, _place(page[-1]))) if more else None)

    def show(
        self, who: Principal, letter_id: str, *, unmasked: bool = False, why: str = ""
    ) -> dict[str, Any]:
        """One letter: the original beside what could be decoded, masked unless they may see it all."""
        letter = self.one(who, letter_id)
        self._refuse_unmasked([letter] if unmasked else [], who)
        self._look(who, "consultation", [letter], f"dead letter{', unmasked' if unmasked else ''}", why)
        return self._whole(letter, unmasked=unmasked)

    def export(
        self, who: Principal, search: Search, *, unmasked: bool = False, why: str = "", recipient: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Every letter meant, whole, oldest first; unmasked it is a disclosure, and needs a reason."""
        letters = self.find(who, search)
        if unmasked and not why.strip():
            raise BadQueryError("An unmasked export is a disclosure; say why.")
        self._refuse_unmasked(letters if unmasked else [], who)
        return self._exported(who, letters, search, unmasked=unmasked, why=why, recipient=recipient)

    def find(self, who: Principal, search: Search) -> list[Letter]:
        """The letters meant that this principal may see, in the order in which they were set aside."""
        with self._writer.lock:
            book = self._writer.book
            book.refresh()
            return [
                letter
                for letter in book
                if self._may_see(who, letter) and search.fits(letter, book.case(letter.id), self._keys)
            ]

    def _exported(
        self,
        who: Principal,
        letters: Sequence[Letter],
        search: Search,
        *,
        unmasked: bool,
        why: str,
        recipient: str,
    ) -> Iterator[dict[str, Any]]:
        verb = "disclosure" if unmasked else "consultation"
        query = f"dead letters exported{', unmasked' if unmasked else ''}, {search.words}"
        for start in range(0, len(letters), _EXPORTED_AT_ONCE):
            batch = letters[start : start + _EXPORTED_AT_ONCE]
            self._look(who, verb, batch, query, why, recipient)
            for letter in batch:
                yield self._whole(letter, unmasked=unmasked)

    def _look(
        self,
        who: Principal,
        verb: str,
        letters: Sequence[Letter],
        query: str,
        why: str,
        recipient: str = "",
    ) -> None:
        records = [letter.about["record_id"] or letter.id for letter in letters]
        self._audit(Entry(verb, who.name, who.force, "", records, query, why, recipient))

    def one(self, who: Principal, letter_id: str) -> Letter:
        """A letter they may see; of one they may not see they are not told that it is there."""
        with self._writer.lock:
            self._writer.book.refresh()
            letter = self._writer.book.get(letter_id)
        if letter is None or not self._may_see(who, letter):
            raise NotFoundError(f"There is no dead letter '{letter_id}', or you may not see it.")
        return letter

    def demand(self, who: Principal, verb: str, letter: Letter) -> None:
        decision = self._policy.decide(who, verb, letter.about["domain"], letter.about["force"])
        if not decision.allowed:
            raise NotAllowedError(f"{decision.reason}.")

    def _may_see(self, who: Principal, letter: Letter) -> bool:
        domain, force = letter.about["domain"], letter.about["force"]
        return any(self._policy.decide(who, verb, domain, force).allowed for verb in (OPERATE, APPROVE))

    def _refuse_unmasked(self, letters: Sequence[Letter], who: Principal) -> None:
        """A letter may be of a restricted record, and one that could not be read does not say so."""
        for letter in letters:
            decision = self._policy.decide(who, READ, letter.about["domain"], letter.about["force"])
            if not decision.classes >= ALL_CLASSES:
                raise NotAllowedError(
                    f"'{who.name}' may not see {letter.about['domain']} of {letter.about['force']} unmasked: "
                    "a dead letter may be of a restricted record, so the role restricted_reader is needed."
                )

    def contents_of(self, letter: Letter) -> Contents:
        with self._writer.lock:
            if letter.feed not in self._world.feeds:
                raise ConflictError(
                    f"'{letter.about['force']}' is no configured force; its letters can only be discarded."
                )
            if letter.feed not in self._contents:
                self._contents[letter.feed] = self._make_contents(letter.feed)
            return self._contents[letter.feed]

    def examiner(self, letter: Letter) -> Examiner:
        if letter.feed not in self._examiners:
            contents = self.contents_of(letter)
            self._examiners[letter.feed] = Examiner(contents, self._world.codec, approval=self._approval)
        return self._examiners[letter.feed]

    def _keys(self, letter: Letter) -> Iterator[str]:
        if letter.feed not in self._world.feeds:
            return iter(())
        contents = self.contents_of(letter)
        decoded = contents.read_or_none(letter, self._writer.book.original(letter))
        return contents.business_keys(letter, decoded)

    def _whole(self, letter: Letter, *, unmasked: bool) -> dict[str, Any]:
        with self._writer.lock:
            book = self._writer.book
            contents = self.contents_of(letter) if letter.feed in self._world.feeds else None
            original = book.original(letter)
            return whole(letter, book.case(letter.id), original, contents, unmasked=unmasked)

    def whole_now(self, letter: Letter) -> dict[str, Any]:
        with self._writer.lock:
            self._writer.book.refresh()
        return self._whole(letter, unmasked=False)


def _place(letter: Letter) -> tuple[int, str]:
    return letter.about["at"], letter.id


def _read_cursor(cursor: str) -> tuple[int, str]:
    at, _, letter = cursor.partition("/")
    if not at.isascii() or not at.isdigit() or not letter:
        raise BadQueryError("The cursor is not of this list; begin anew without one.")
    return int(at), letter
