"""What the embedded bus and the SQLite store acknowledged survives a loss of all that was not synced.

A child process writes while every operation on its files is recorded; then the power is cut
after each acknowledgement and around each sync, on paper, and what is left is opened.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from shutil import rmtree

import pytest

from hub.bus import open_bus
from hub.bus.contract import Bus
from hub.view.query import Query
from hub.view.store import open_store
from tests.real import power_loss_writer as writer
from tests.real.lost_power import Disk, Operation, record
from tests.view_records import JsonCodec

Check = Callable[[Path, Mapping[str, int], Mapping[str, int]], None]
"""Looks at what is left in a folder, given the newest number acknowledged and tried of each kind."""

SEED = 20161101


def test_what_the_embedded_bus_acknowledged_survives_a_loss_of_power(tmp_path: Path):
    lost_often(record(tmp_path, writer.__name__, "bus", "FULL"), tmp_path, check_bus)


def test_what_the_sqlite_store_acknowledged_survives_a_loss_of_power(tmp_path: Path):
    lost_often(record(tmp_path, writer.__name__, "store", "FULL"), tmp_path, check_store)


@pytest.mark.parametrize(("what", "synchronous"), [("bus", "OFF"), ("store", "NORMAL")])
def test_one_that_syncs_less_is_found_out(tmp_path: Path, what: str, synchronous: str):
    operations = record(tmp_path, writer.__name__, what, synchronous)
    with pytest.raises(LossError):
        lost_often(operations, tmp_path, {"bus": check_bus, "store": check_store}[what])


class LossError(AssertionError):
    """A loss of power left what must not be."""


def lost_often(operations: Sequence[Operation], folder: Path, check: Check) -> None:
    """Cut the power after each acknowledgement, and by chance around each sync and now and then between."""
    disk, left, chance = Disk(str(folder / "files")), folder / "left", Random(SEED)
    tried: dict[str, int] = {}
    acknowledged: dict[str, int] = {}
    for place, operation in enumerate(operations):
        torn = operation.kind == "S" or (operation.kind in "WTCUD" and chance.random() < 0.03)
        if torn:
            _lose(disk, left, chance, check, acknowledged, tried, place)
        if operation.kind != "A":
            disk.do(operation)
            continue
        word, name, number = operation.data.decode().split()
        (tried if word == "try" else acknowledged)[name] = int(number)
        if word == "done":
            _lose(disk, left, None, check, acknowledged, tried, place)


def _lose(
    disk: Disk,
    left: Path,
    chance: Random | None,
    check: Check,
    acknowledged: Mapping[str, int],
    tried: Mapping[str, int],
    place: int,
) -> None:
    left.mkdir()
    disk.lose_power(left, chance)
    survived = "by chance" if chance else "as synced"
    try:
        check(left / "state" / "of the hub", acknowledged, tried)
    except Exception as error:
        raise LossError(f"power lost before operation {place}, the rest {survived}: {error}") from error
    rmtree(left)


def check_bus(folder: Path, acknowledged: Mapping[str, int], tried: Mapping[str, int]) -> None:
    file = folder / "bus.db"
    bus = open_bus(f"embedded://{file}")
    try:
        if bus.describe_topics().keys() != {spec.name for spec in writer.SPECS}:
            assert bus.describe_topics() == {}, "topics are made together"
            assert "bus" not in acknowledged, "the topics are gone"
            return
        fed = _count([[r.value for r in bus.read_all(writer.FED)]])
        made = _count([_of(bus, partition) for partition in range(3)])
        _within("fed", fed, acknowledged, tried)
        _within("made", made, acknowledged, tried)
        kept = bus.group_offsets(writer.WORKER, [writer.FED]).get(writer.SOURCE)
        assert (kept and (kept.offset, kept.metadata)) == ((made, str(made - 1)) if made else None)
        told = bus.group_offsets(writer.TELLER, [writer.FED]).get(writer.SOURCE)
        _within("told", told.offset if told else 0, acknowledged, tried)
        newest = {r.key: r.value for r in bus.read_all(writer.STATE)}
        assert newest == {b"%d" % (n % writer.KEYS): b"%d" % n for n in range(made)}
    finally:
        bus.close()
        _refuse_damage(file)


def _of(bus: Bus, partition: int) -> list[bytes | None]:
    return [record.value for record in bus.read_all(writer.MADE) if record.partition == partition]


def _count(partitions: Sequence[Sequence[bytes | None]]) -> int:
    """How many rounds these partitions hold: each all of the first ones, in order, and nothing else."""
    for values in partitions:
        assert values == [writer.value(n) for n in range(len(values))]
    assert len({len(values) for values in partitions}) == 1, "a transaction was torn"
    return len(partitions[0])


def check_store(folder: Path, acknowledged: Mapping[str, int], tried: Mapping[str, int]) -> None:
    file = folder / "store.db"
    store = open_store(f"sqlite:///{file}")
    try:
        kept = store.kept([writer.PARTITION.topic]).get(writer.PARTITION)
        assert kept is not None or "store" not in acknowledged, "the partition is no longer declared"
        rounds = kept.next_offset if kept else 0
        _within("applied", rounds, acknowledged, tried)
        query = Query(store, JsonCodec())
        fresh = [feed.complete_to + 1 for feed in query.freshness() if feed.complete_to is not None]
        _within("fresh", fresh[0] if fresh else 0, acknowledged, tried)
        _check_versions(query, rounds)
    finally:
        store.close()
        _refuse_damage(file)


def _check_versions(query: Query, rounds: int) -> None:
    """The records, their history, their numbers and counts are those of the first `rounds` rounds."""
    versions: dict[tuple[str, str], set[int]] = {}
    received: Counter[str] = Counter()
    for number in range(rounds):
        for batch in writer.changes(number):
            received[batch.domain] += len(batch.changes)
            for change in batch.changes:
                versions.setdefault((batch.domain, change.id), set()).add(change.source_version)
    numbers: list[int] = []
    for (domain, record_id), wanted in versions.items():
        history = query.history(domain, record_id)
        assert {version.source_version for version in history} == wanted
        item = query.get(domain, record_id)
        assert item is not None
        assert item.record["source_version"] == max(wanted)
        assert item.change_number == history[0].change_number
        numbers += [v.change_number for v in history if v.change_number is not None]
    assert len(numbers) == len(set(numbers)), "a change number was given twice"
    assert max(numbers, default=0) <= query.last_change()
    counts = query.counts()
    for domain, count in received.items():
        counted = counts[domain][writer.FORCE]
        assert counted["received"] == counted["applied"] + counted["superseded"] == count


def _within(name: str, count: int, acknowledged: Mapping[str, int], tried: Mapping[str, int]) -> None:
    """At least what was acknowledged is there, and no more than was tried."""
    least, most = acknowledged.get(name, -1) + 1, tried.get(name, -1) + 1
    assert least <= count <= most, f"{name}: {count} of {least} acknowledged and {most} tried"


def _refuse_damage(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
