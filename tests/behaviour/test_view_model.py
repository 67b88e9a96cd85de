"""A machine that does to the view whatever its topics, its broker and its operators may do.

After every step the store is held against the model of `tests/view_fold.py`; change numbers only
rise, and everything received is counted once, in one place.
"""

import contextlib
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hub.bus.contract import TopicPartition
from hub.bus.topics import specs
from hub.dead_letters import dead_letter_topic
from hub.errors import TransientError
from hub.metrics import Metrics
from hub.view.loop import GROUP, TOPICS, View
from hub.view.query import Query
from hub.view.store import Store, open_store
from tests.faulty_bus import FaultyBus, FaultyConsumer, Message
from tests.stores import wipe
from tests.view_bus import CODEC, FORCES, INCIDENTS
from tests.view_fold import KEYS, NONSENSE, Fold, Version, body, record_id
from tests.view_records import T0

INSTANCES = ("1", "2")
MOST_BAD = 20
"""Fewer than would be most of a window."""

versions = st.tuples(
    st.sampled_from(KEYS), st.integers(1, 5), st.integers(1, 2), st.sampled_from([False, False, True])
)


class ViewMachine(RuleBasedStateMachine):
    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.bus = FaultyBus(specs(FORCES, partitions=2))
        self.query = Query(store, CODEC)
        self.views: dict[str, View] = {}
        self.now = T0 / 1_000_000
        self.deletes: dict[tuple[str, int, int], bool] = {}
        self.bad = 0
        self.most: dict[TopicPartition, int] = {}
        self.watched = 0
        self.replica: dict[str, Version] = {}

    @rule(published=st.lists(versions, min_size=1, max_size=6), twice=st.booleans())
    def publish(self, published: list[tuple[str, int, int, bool]], twice: bool) -> None:
        """A batch of the normaliser; or two, of which the first was aborted and became visible."""
        messages = []
        for key, version, mapping, deleted in published:
            deletes = self.deletes.setdefault((key, version, mapping), deleted)
            messages.append(self._message(record_id(key), body(key, version, mapping, deletes)))
        for _ in range(1 + twice):
            self.bus.append(messages)

    @rule(key=st.sampled_from(KEYS), twice=st.booleans())
    def erase(self, key: str, twice: bool) -> None:
        self.bus.append([self._message(record_id(key), None)] * (1 + twice))

    @precondition(lambda self: self.bad < MOST_BAD)
    @rule(key=st.sampled_from(KEYS))
    def publish_a_bad_one(self, key: str) -> None:
        self.bad += 1
        self.bus.append([self._message(record_id(key), NONSENSE)])

    @rule(instance=st.sampled_from(INSTANCES), again=st.sampled_from([0, 0, 1, 3]))
    def step(self, instance: str, again: int) -> None:
        """One round of a view, made if there is none; its broker may give records once more."""
        if instance not in self.views:
            self.views[instance] = self._view(instance)
        for member in self._members(instance):
            member.again = again
        self._step(instance)

    @rule(
        instance=st.sampled_from(INSTANCES),
        who=st.sampled_from([GROUP, "hub.view."]),
        fault=st.sampled_from(["applied", "dropped", "torn"]),
    )
    def step_while_a_commit_is_not_answered(self, instance: str, who: str, fault: Any) -> None:
        self.bus.faults.append((who, fault))
        self.step(instance, 0)
        self.step(instance, 0)
        self.bus.faults.clear()

    @rule(instance=st.sampled_from(INSTANCES), after=st.booleans())
    def step_while_the_store_fails(self, instance: str, after: bool) -> None:
        """Its commit is not answered: it was done, or it was not."""
        self.step(instance, 0)
        view, apply = self.views[instance], self.store.apply

        def failing(*given: Any) -> None:
            if after:
                apply(*given)
            raise TransientError("the store does not answer")

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(view._store, "apply", failing)
            self._step(instance)
        self._step(instance)

    @precondition(lambda self: len(self.views) == 2)
    @rule(believes=st.sampled_from(INSTANCES), step_first=st.booleans())
    def give_all_to_one_while_the_other_does_not_know(self, believes: str, step_first: bool) -> None:
        """What happens to a process that slept past its session: it goes on with what it had."""
        other = INSTANCES[believes == INSTANCES[0]]
        for member in self._members(other):
            member.give(frozenset(self.bus.all(TOPICS)))
        for instance in (other, believes) if step_first else (believes, other):
            self._step(instance)

    @rule()
    def divide_anew(self) -> None:
        self.bus.share(GROUP)

    @precondition(lambda self: self.views)
    @rule(instance=st.sampled_from(INSTANCES), killed=st.booleans())
    def end(self, instance: str, killed: bool) -> None:
        """Close a view, or drop it, whose place in the group is then given away."""
        view = self.views.pop(instance, None)
        if view is not None and killed:
            for member in self._members(instance):
                member.close()
        elif view is not None:
            view.close()

    @rule()
    def rebuild(self) -> None:
        """As `rebuild` does before it replays: views are stopped, the current tables emptied."""
        for instance in INSTANCES:
            self.end(instance, killed=False)
        self.store.empty()
        self.replica.clear()

    @invariant()
    def the_store_is_the_fold_of_what_was_read(self) -> None:
        kept = {tp: each.next_offset for tp, each in self.store.kept([INCIDENTS]).items()}
        self.most |= {tp: max(offset, self.most.get(tp, 0)) for tp, offset in kept.items()}
        now, ever = self._fold(kept), self._fold(self.most)
        items = self.query.list_records("incident", include_deleted=True).items
        stored = {item.record["id"]: item for item in items}
        assert {name: _version(item.record) for name, item in stored.items()} == {
            name: version for name, (version, _) in now.newest.items()
        }
        assert {n: i.record["deleted"] for n, i in stored.items()} == {
            n: d for n, (_, d) in now.newest.items()
        }
        self._check_counts(now, ever)
        if kept == self.most:  # while it is replayed, the history holds more
            self._check_history(ever, {name: item.change_number for name, item in stored.items()})
        self._watch({name: _version(item.record) for name, item in stored.items()})
        told = self.bus.group_offsets(GROUP, [INCIDENTS])
        assert all(offset.offset <= self.most.get(tp, 0) for tp, offset in told.items())

    def teardown(self) -> None:
        """With nothing more in the way, everything there is comes into the view."""
        self.bus.faults.clear()
        self.step("1", 0)
        self.bus.share(GROUP)
        for _ in range(4):
            for instance in list(self.views):
                self._step(instance)
        kept = {tp: each.next_offset for tp, each in self.store.kept([INCIDENTS]).items()}
        assert kept == self.bus.end_offsets([INCIDENTS])
        self.the_store_is_the_fold_of_what_was_read()
        self._check_letters()
        for view in self.views.values():
            view.close()

    def _check_counts(self, now: Fold, ever: Fold) -> None:
        counts = self.query.counts()["incident"]
        live = Counter((name.split(":")[3], deleted) for name, (_, deleted) in now.newest.items())
        for force, counted in counts.items():
            for name in ("received", "applied", "superseded", "dead_lettered", "erased"):
                assert counted[name] == ever.counts[force, name], f"{force}: {name}"
            ended = ("applied", "superseded", "dead_lettered", "erased")
            assert counted["received"] == sum(counted[name] for name in ended)
            assert (counted["visible"], counted["deleted"]) == (live[force, False], live[force, True])
        assert {force for force, _ in ever.counts} <= counts.keys()

    def _check_history(self, ever: Fold, current: dict[str, int]) -> None:
        numbers: list[int] = []
        for key in KEYS:
            history = self.query.history("incident", record_id(key))
            known = [(version.source_version, version.mapping_version) for version in history]
            assert known == sorted(ever.history.get(record_id(key), ()), reverse=True)
            mine = [version.change_number for version in history if version.change_number is not None]
            assert mine == sorted(mine, reverse=True)
            assert not history or history[0].change_number == current[record_id(key)]
            numbers += mine
        assert len(set(numbers)) == len(numbers), "a change number was given twice"
        assert max(numbers, default=0) <= self.query.last_change()

    def _watch(self, stored: dict[str, Version]) -> None:
        """Whoever follows the change numbers has what the store has."""
        changes = self.query.changes_after(self.watched, 1000)
        numbers = [change.number for change in changes]
        assert numbers == sorted(set(numbers))
        assert all(number > self.watched for number in numbers)
        self.watched = max([self.watched, *numbers])
        assert self.watched <= self.query.last_change()
        self.replica |= {change.record["id"]: _version(change.record) for change in changes}
        assert stored == {name: version for name, version in self.replica.items() if name in stored}

    def _check_letters(self) -> None:
        dead = sum(len(self._fold({tp: end}).dead) for tp, end in self.bus.end_offsets([INCIDENTS]).items())
        keys = {record.key for record in self.bus.read_all(dead_letter_topic(INCIDENTS))}
        assert len(keys) == dead

    def _fold(self, upto: dict[TopicPartition, int]) -> Fold:
        fold = Fold()
        for partition, end in upto.items():
            for record in self.bus.logs[partition]:
                if record.offset < end:
                    fold.take(record)
        return fold

    def _message(self, name: str, value: bytes | None) -> Message:
        return Message(
            self.bus.place(INCIDENTS, name.encode(), None), name.encode(), value, (), self.bus.now()
        )

    def _view(self, instance: str) -> View:
        bus: Any = self.bus
        return View(bus, self.store, CODEC, FORCES, Metrics(), instance=instance, clock=lambda: self.now)

    def _members(self, instance: str) -> list[FaultyConsumer]:
        return [m for m in list(self.bus.members[GROUP]) if m.instance == f"{GROUP}.{instance}"]

    def _step(self, instance: str) -> None:
        self.now += 61  # all that is due at times is due, and being relieved now and then is no quarrel
        with contextlib.suppress(TransientError):
            self.views[instance].step()


def _version(record: dict[str, Any]) -> Version:
    return record["source_version"], record["mapping_version"]


def run(store: Store, **more: Any) -> None:
    def machine() -> ViewMachine:
        wipe(store)
        return ViewMachine(store)

    made: Any = machine
    run_state_machine_as_test(
        made,
        settings=settings(
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            **more,
        ),
    )


def test_the_view_on_sqlite_does_as_the_model(quick_store: Store):
    run(quick_store, max_examples=40, stateful_step_count=25)


@pytest.mark.postgres
def test_the_view_on_postgresql_does_as_the_model(postgres_schema_url: str):
    store = open_store(postgres_schema_url)
    run(store, max_examples=8, stateful_step_count=20)
    store.close()
