"""The dead-letter office: what is done with letters, for the command line and HTTP alike.

Who asks passes the policy first, and each act is in the audit log in the very transaction in
which it is done.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from hub.access import APPROVE, LOCAL, OPERATE, Principal
from hub.audit import Entry
from hub.dead_letters.book import Letter
from hub.dead_letters.cases import RESOLVED, Act, Case, State
from hub.dead_letters.edit import Editor
from hub.dead_letters.findings import Finding, Verdict
from hub.dead_letters.holds import is_strict, waits
from hub.dead_letters.lookout import World
from hub.dead_letters.reading import Reading
from hub.dead_letters.replay import Replay, Tell, Who
from hub.dead_letters.search import Search
from hub.dead_letters.wishes import RowWishes
from hub.dead_letters.writer import Pen, Writer
from hub.errors import BadQueryError, ConflictError, NotAllowedError, NotFoundError

_LOOK_SECONDS = 0.3
_AT_ONCE = 500
"""Letters that are discarded in one transaction, with one audit entry that names them all."""
_UNTOUCHABLE = {
    State.SENT: "It has just been sent; `dlq replay` looks after it first.",
    State.ASKED: "Its connector has been asked to take it in; wait for the answer, or discard it.",
}


class Office:
    """May be shared by threads, and stand beside others in other processes."""

    def __init__(self, world: World, writer: Writer, reading: Reading) -> None:
        self.world = world
        self.writer = writer
        self.reading = reading
        self.wishes = RowWishes(world.bus, world.codec, world.feeds, writer)
        self._replay = Replay(world, writer, self.wishes, reading.examiner)

    def edit(
        self,
        who: Principal,
        letter_id: str,
        *,
        fields: Mapping[str, Any] | None = None,
        value: Mapping[str, Any] | None = None,
        why: str = "",
    ) -> dict[str, Any]:
        """Keep what is to be replayed in the original's place: some fields set, or a whole value."""
        self._operated(who, letter_id)

        def act(pen: Pen) -> Letter:
            letter, case = self._touchable(letter_id)
            contents = self.reading.contents_of(letter)
            editor, original = Editor(contents, self.world.codec), self.writer.book.original(letter)
            before = contents.read_or_none(letter, original)
            base = before
            if case.edited is not None:
                base = contents.read_or_none(letter, case.edited, edited=True)
            if base is None and value is None:
                raise BadQueryError("Nothing of it could be decoded, so give the record whole.")
            after = editor.with_fields(letter, dict(value if value is not None else base or {}), fields or {})
            edited = editor.encoded(letter, before, after)
            done = Case(case.state, edited, case.acts).after(
                State.EDITED, Act("edited", who.name, pen.now(), why)
            )
            self._keep(pen, who, "edit", [(letter, done)], why)
            return letter

        return self.reading.whole_now(self.writer.work(act))

    def approve(self, who: Principal, letter_id: str, *, why: str = "") -> dict[str, Any]:
        """Approve what another person edited; `NotAllowedError` for their own, or one nobody vouches for."""
        letter = self.reading.one(who, letter_id)
        self.reading.demand(who, APPROVE, letter)
        if who is LOCAL:
            raise NotAllowedError("An edited record is approved by someone known by a token: give --token.")

        def act(pen: Pen) -> Letter:
            letter, case = self._touchable(letter_id)
            if case.editor is None or case.approved:
                raise ConflictError("There is nothing edited that waits for approval.")
            if case.editor == who.name:
                raise NotAllowedError(f"'{who.name}' edited it; another person must approve.")
            done = case.after(State.APPROVED, Act("approved", who.name, pen.now(), why))
            self._keep(pen, who, "approve", [(letter, done)], why)
            return letter

        return self.reading.whole_now(self.writer.work(act))

    def discard(self, who: Principal, letters: Sequence[Letter], why: str) -> list[Finding]:
        """Resolve letters without their records; needs a reason. What may not be discarded, and why not."""
        if not why.strip():
            raise BadQueryError("A discard needs a reason.")
        for letter in letters:
            self.reading.demand(who, OPERATE, letter)

        refused: list[Finding] = []
        for start in range(0, len(letters), _AT_ONCE):
            batch = letters[start : start + _AT_ONCE]
            for letter in batch:
                if self.writer.book.case(letter.id).state is State.ASKED:
                    self.wishes.withdraw(letter)
            refused += self.writer.work(lambda pen, batch=batch: self._discard(pen, who, batch, why))  # type: ignore[misc]
        return refused

    def dry_run(self, who: Principal, search: Search) -> list[Finding]:
        """What a replay of the letters meant would come to now: how many pass, how many are stale."""
        return self._replay.dry_run(self.operated(who, search))

    def operated(self, who: Principal, search: Search) -> list[Letter]:
        """The letters meant, all of which they must be allowed to operate."""
        letters = self.reading.find(who, search)
        for letter in letters:
            self.reading.demand(who, OPERATE, letter)
        return letters

    def replay(
        self,
        who: Principal,
        letters: Sequence[Letter],
        *,
        why: str,
        per_second: float,
        stop: threading.Event,
        tell: Tell,
    ) -> None:
        """Replay these letters in order until done or stopped; `tell` is told of each batch."""
        for letter in letters:
            self.reading.demand(who, OPERATE, letter)
        self._replay.run(letters, Who(who.name, who.force, why), per_second=per_second, stop=stop, tell=tell)

    def answers(self, found: Sequence[Finding], seconds: float, stop: threading.Event) -> list[Finding]:
        """Wait so long for what connectors were asked; those that answered, with what it came to."""
        asked = {finding.letter for finding in found if finding.verdict is Verdict.ASKED}
        deadline = time.monotonic() + seconds
        said: list[Finding] = []
        while asked:
            self.wishes.take_in()
            with self.writer.lock:
                self.writer.book.refresh()
                done = [each for each in sorted(asked) if self._state(each) is not State.ASKED]
                said += [self._answered(each) for each in done]
            asked -= set(done)
            if time.monotonic() >= deadline or stop.wait(_LOOK_SECONDS):
                break
        return said

    def _state(self, letter_id: str) -> State:
        return self.writer.book.case(letter_id).state

    def _answered(self, letter_id: str) -> Finding:
        act = self.writer.book.case(letter_id).acts[-1]
        verdicts = {"replayed": Verdict.PASSES, "stale": Verdict.STALE}
        return Finding(letter_id, verdicts.get(act.what, Verdict.FAILS), act.why)

    def settle(self, *, older_than_seconds: float) -> None:
        """Look after letters that were sent by a process that ended before it could."""
        with self.writer.lock:
            self.writer.book.refresh()
            before = (self.writer.clock() - older_than_seconds) * 1_000_000
            cases = [(letter, self.writer.book.case(letter.id)) for letter in self.writer.book]
            sent = [(letter, case) for letter, case in cases if case.state is State.SENT]
            left = [(letter, case.acts[-1].by) for letter, case in sent if case.acts[-1].at < before]
        for letter, by in left:
            self._replay.run(
                [letter], Who(by, "", ""), per_second=1, stop=threading.Event(), tell=lambda _: None
            )

    def _keep(
        self, pen: Pen, who: Principal, verb: str, done: Sequence[tuple[Letter, Case]], why: str
    ) -> None:
        """Keep cases and the audit entry that tells of them together."""
        if not done:
            return
        with pen.transaction():
            for letter, case in done:
                pen.put(letter, case)
            records = [letter.about["record_id"] or letter.id for letter, _ in done]
            ids = ", ".join(letter.id for letter, _ in done[:20])
            pen.audit(Entry(verb, who.name, who.force, "", records, f"dead letters {ids}", why))

    def _discard(self, pen: Pen, who: Principal, letters: Sequence[Letter], why: str) -> list[Finding]:
        refused, done = [], []
        for letter in letters:
            case = self.writer.book.case(letter.id)
            if wrong := self._undiscardable(letter, case):
                refused.append(Finding(letter.id, Verdict.HELD, wrong))
            elif not case.resolved and self.writer.book.get(letter.id) is not None:
                act = Act("discarded", who.name, pen.now(), why)
                done.append((letter, Case(case.state, None, case.acts).after(State.DISCARDED, act)))
        self._keep(pen, who, "discard", done, why)
        return refused

    def _operated(self, who: Principal, letter_id: str) -> None:
        self.reading.demand(who, OPERATE, self.reading.one(who, letter_id))

    def _touchable(self, letter_id: str) -> tuple[Letter, Case]:
        """A letter that waits for a person; `BadQueryError` where it does not."""
        letter, case = self.writer.book.get(letter_id), self.writer.book.case(letter_id)
        if letter is None:
            raise NotFoundError(f"There is no dead letter '{letter_id}'.")
        if case.state in RESOLVED:
            raise ConflictError(f"It is {case.state} already.")
        if wrong := _UNTOUCHABLE.get(case.state) or self._held(letter, case):
            raise ConflictError(wrong)
        return letter, case

    def _undiscardable(self, letter: Letter, case: Case) -> str:
        if case.state is State.SENT:
            return _UNTOUCHABLE[State.SENT]
        return self._held(letter, case)

    def _held(self, letter: Letter, case: Case) -> str:
        feed = self.world.feeds.get(letter.feed)
        held = feed is not None and is_strict(feed.source) and waits(letter, case)
        return f"{letter.about['reason']}" if held else ""
