"""Replaying letters: in order, at a limited rate, and never over a newer version (invariant 4)."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeGuard

from hub.audit import Entry
from hub.dead_letters.book import Letter
from hub.dead_letters.cases import Act, State
from hub.dead_letters.examine import Examiner, Ready, Row
from hub.dead_letters.findings import Finding, Verdict
from hub.dead_letters.lookout import Lookout, Made, World
from hub.dead_letters.wishes import RowWishes
from hub.dead_letters.writer import Pen, Writer
from hub.domains import DOMAINS
from hub.errors import BadQueryError

AT_ONCE = 50

Tell = Callable[[Sequence[Finding]], None]


class Who(NamedTuple):
    """On whose behalf, and why."""

    name: str
    force: str
    why: str


class Replay:
    """Examines and replays letters. Each batch is done by the one writer, on the book as it then is."""

    def __init__(
        self,
        world: World,
        writer: Writer,
        wishes: RowWishes,
        examiner: Callable[[Letter], Examiner],
    ) -> None:
        self._world = world
        self._writer = writer
        self._wishes = wishes
        self._examiner = examiner

    def dry_run(self, letters: Sequence[Letter]) -> list[Finding]:
        """What a replay of these, in this order, would come to now. Changes nothing."""
        with self._writer.lock:
            made = [self._examine(letter) for letter in letters]
            with Lookout(self._world, made) as lookout:
                return [lookout.judge(each) for each in made]

    def run(
        self,
        letters: Sequence[Letter],
        who: Who,
        *,
        per_second: float,
        stop: threading.Event,
        tell: Tell,
    ) -> None:
        """Replay in the order given, batch by batch, until done or stopped between two of them."""
        size = max(1, min(AT_ONCE, int(per_second)))
        for start in range(0, len(letters), size):
            if stop.is_set():
                return
            ids = [letter.id for letter in letters[start : start + size]]
            tell(self._writer.work(lambda pen, ids=ids: self._batch(pen, ids, who)))  # type: ignore[misc]
            if start + size < len(letters):
                stop.wait(len(ids) / per_second)

    def _batch(self, pen: Pen, ids: Sequence[str], who: Who) -> list[Finding]:
        book = self._writer.book
        letters = [letter for each in ids if (letter := book.get(each)) is not None]
        letters = [letter for letter in letters if not book.case(letter.id).resolved]
        made = [self._examine(letter) for letter in letters]
        if not made:
            return []
        with Lookout(self._world, made) as lookout:
            sent = [each for each in made if _is_sent(each)]
            found = [(each, lookout.judge(each)) for each in made if each not in sent]
            passing = [each for each, finding in found if finding.verdict is Verdict.PASSES]
            records = [each for each in passing if isinstance(each, Ready)]
            rows = [each for each in passing if isinstance(each, Row)]
            self._send(pen, records, rows, found, who)
            self._send_again(pen, lookout, [*sent, *records])
        self._conclude(pen, [*sent, *records], who)
        self._wishes.ask(rows, who.name, who.why)
        asked = {row.letter.id for row in rows}
        done = [Finding(each.letter.id, Verdict.PASSES) for each in sent]
        return done + [
            Finding(finding.letter, Verdict.ASKED) if finding.letter in asked else finding
            for _, finding in found
        ]

    def _examine(self, letter: Letter) -> Made:
        book = self._writer.book
        try:
            examiner = self._examiner(letter)
        except BadQueryError as error:
            return Finding(letter.id, Verdict.FAILS, str(error))
        return examiner.examine(letter, book.case(letter.id), book.original(letter))

    def _send(
        self,
        pen: Pen,
        records: Sequence[Ready],
        rows: Sequence[Row],
        found: Sequence[tuple[Made, Finding]],
        who: Who,
    ) -> None:
        """Send what passes, with what its case says of that, and the audit entry, or none of it."""
        now, book = pen.now(), self._writer.book
        with pen.transaction():
            for each in records:
                pen.send(
                    DOMAINS[each.domain].topic,
                    each.record_id.encode(),
                    each.value,
                    each.headers,
                    each.timestamp,
                )
                pen.put(each.letter, each.case.after(State.SENT, Act("sent", who.name, now, who.why)))
            for row in rows:
                pen.put(row.letter, row.case.after(State.ASKED, Act("asked", who.name, now, who.why)))
            for _, finding in found:
                letter = book.get(finding.letter)
                assert letter is not None
                case = book.case(finding.letter)
                if finding.verdict is Verdict.FAILS:
                    pen.put(letter, case.after(State.FAILED, Act("failed", who.name, now, finding.why)))
                elif finding.verdict is Verdict.STALE:
                    pen.put(letter, case.after(case.unasked, Act("stale", who.name, now, finding.why)))
            pen.audit(self._entry([finding for _, finding in found], who))

    def _send_again(self, pen: Pen, lookout: Lookout, sent: Sequence[Ready]) -> None:
        """Where a newer version came between look and commit, have it be the last one again.

        Alliance topics are compacted and a rebuild reads what is left: the same bytes under the
        same id, so applying them twice changes nothing (invariant 3).
        """
        if not sent:
            return
        feed_of = {each.record_id: each.letter.feed for each in sent}
        while True:
            lookout.look()
            passed = lookout.passed()
            if not passed:
                return
            self._writer.book.refresh()
            again: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
            with pen.transaction():
                for domain, record_id, message in passed:
                    pen.send(
                        DOMAINS[domain].topic,
                        record_id.encode(),
                        message.value,
                        message.headers,
                        message.timestamp,
                    )
                    again[feed_of.get(record_id, sent[0].letter.feed)]["resent"] += 1
                for feed, counts in again.items():
                    pen.count(*feed, counts)

    def _conclude(self, pen: Pen, sent: Sequence[Ready], who: Who) -> None:
        if not sent:
            return
        book, now = self._writer.book, pen.now()
        book.refresh()
        replayed: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        with pen.transaction():
            for each in sent:
                case = book.case(each.letter.id)
                pen.put(each.letter, case.after(State.REPLAYED, Act("replayed", who.name, now)))
                replayed[each.letter.feed][f"replayed_{each.letter.about['stage']}"] += 1
            for feed, counts in replayed.items():
                pen.count(*feed, counts)

    def _entry(self, found: Sequence[Finding], who: Who) -> Entry:
        verdicts = Counter(str(finding.verdict) for finding in found)
        book = self._writer.book
        records = [
            letter.about["record_id"] or letter.id
            for finding in found
            if (letter := book.get(finding.letter)) is not None
        ]
        query = "dead letters: " + ", ".join(f"{n} {verdict}" for verdict, n in sorted(verdicts.items()))
        return Entry("replay", who.name, who.force, "", records, query, who.why)


def _is_sent(made: Made) -> TypeGuard[Ready]:
    return isinstance(made, Ready) and made.case.state is State.SENT
