"""A backfill that is killed goes on from where it was, and says how far it has come."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from typer.testing import CliRunner

from connectors.sources import files
from hub.backfill import Backfill
from hub.cli.app import app
from hub.errors import BadQueryError
from tests.connecting import balanced
from tests.dropping import Forces, drop, extract, log, person
from tests.keeping import Kept, Operator
from tests.killed_backfill import ROWS_AT_ONCE
from tests.waiting import PATIENCE_SECONDS, wait_until

LOGS, PEOPLE = "northamptonshire/incident", "northamptonshire/hr"
ROWS = 120


class Dropped:
    """What makes sources of a feed's drops."""

    def __init__(self, forces, feed):
        self.forces, self.feed = forces, feed

    def source(self):
        return files.FilesSource(self.feed, str(self.forces.drops), None)


@pytest.fixture
def forces(tmp_path):
    with contextlib.closing(Forces(tmp_path)) as forces:
        yield forces


def quick(forces, name, **source):
    feed = forces.of_force(name)
    return dataclasses.replace(feed, source={**feed.source, "poll_seconds": 0.01, **source})


def fill(forces, name):
    """Have everything read and published that a force's folder then holds: `ROWS` rows in it."""
    if name == LOGS:
        for first in range(0, ROWS, 40):
            drop(forces, f"INC_2016110{first // 40 + 1}.csv", *map(log, range(first, first + 40)))
    else:
        extract(forces, "MFSS_HR_20161101000000.txt", *map(person, range(ROWS)))
    feed = quick(forces, name)
    forces.read(feed)
    return feed


def lose(forces, feed, *keys):
    """Have the bus forget some records, as if they had never been read; the position stays beyond them."""
    events = {event["key"]: event["record_id"] for event in forces.events(feed)}
    lost = [name for key, name in events.items() if not keys or key in keys]
    with contextlib.closing(forces.bus.producer("loses")) as producer:
        producer.begin()
        for name in lost:
            producer.send(feed.topic, name.encode(), None)
        producer.commit()
    return lost


def brought(forces, feed, ends):
    """How often each record was published from these offsets on."""
    records = forces.bus.read_all(feed.topic)
    return Counter(r.key.decode() for r in records if r.value and r.offset >= ends[r.partition])


def progress(operator):
    return operator.status.progress or {"phase": "", "read": 0, "published": 0, "error": ""}


def over(operator):
    return progress(operator)["phase"] in {"done", "cancelled", "failed"}


def shown(forces, name):
    """What an operator is told of a feed."""
    where = ["--bus", f"embedded://{forces.folder}/bus.db", "--state", str(forces.folder / "state")]
    positions = CliRunner().invoke(app, ["positions", "show", *name.split("/"), *where])
    status = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["status", "--over", "0", *where])
    assert (positions.exit_code, status.exit_code) == (0, 1), "the hub does not run"
    return positions.output, status.output


def run_until_killed(forces, name, place):
    """Run the connector in a process of its own, which kills itself as it passes a mark."""
    killed = subprocess.run(
        [sys.executable, "-m", "tests.killed_backfill", str(forces.folder), name],
        env={**os.environ, "HUB_KILL_POINT": place},
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_SECONDS,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr


@pytest.mark.parametrize("name", [LOGS, PEOPLE], ids=["a log", "an extract"])
def test_killed_while_it_reads_and_while_it_takes_it_goes_on_from_there(forces, name, monkeypatch):
    feed = fill(forces, name)
    lost = lose(forces, feed)
    ends = {partition.partition: end for partition, end in forces.bus.end_offsets([feed.topic]).items()}
    monkeypatch.setattr(files, "_ROWS", ROWS_AT_ONCE)
    with contextlib.closing(Operator(forces, feed)) as operator:
        operator.backfill(Backfill(keys=frozenset(lost), rate=100_000))
        run_until_killed(forces, name, "connect.commit:before:6")
        reading = progress(operator)
        assert reading["phase"] == "reading"
        assert 0 < reading["read"] < ROWS
        assert reading["position"]
        positions, status = shown(forces, name)
        assert f"of {ROWS} keys: reading, {reading['read']} read, " in positions
        assert ", line " in positions.partition("it has come to file ")[2]
        assert f"of {ROWS} keys: reading, {reading['read']} read, " in status
        run_until_killed(forces, name, "connect.events:after:3")
        taking = progress(operator)
        assert (taking["phase"], taking["read"]) == ("taking", ROWS), "what was read is not read again"
        assert (taking["published"], taking["left"]) == (2 * ROWS_AT_ONCE, ROWS - 2 * ROWS_AT_ONCE)
        with Kept(forces, feed, Dropped(forces, feed)):
            wait_until(lambda: over(operator), lambda: str(operator.status))
        done = progress(operator)
        assert (done["phase"], done["read"], done["published"], done["error"]) == ("done", ROWS, ROWS, "")
        assert done["position"] == {}
    assert brought(forces, feed, ends) == dict.fromkeys(lost, 1)
    assert not [name for name in forces.positions(feed).kept if name.startswith("!backfill/")]
    assert balanced(forces.counts(feed))


def test_who_left_does_not_come_back_with_an_older_extract(forces):
    extract(forces, "MFSS_HR_20161101000000.txt", *map(person, range(30)))
    extract(forces, "MFSS_HR_20161102000000.txt", *map(person, range(1, 30)))
    feed = quick(forces, PEOPLE)
    forces.read(feed)
    lost = lose(forces, feed, "7")
    with contextlib.closing(Operator(forces, feed)) as operator:
        operator.backfill(Backfill(keys=frozenset({"0", "7", "8"}), rate=100_000))
        with Kept(forces, feed, Dropped(forces, feed)):
            wait_until(lambda: over(operator), lambda: str(operator.status))
        done = progress(operator)
    assert (done["read"], done["published"], done["unchanged"]) == (29, 1, 1), "of the newest extract alone"
    newest = {event["record_id"]: event["deleted"] for event in forces.events(feed)}
    assert newest[lost[0]] is False
    assert [event["deleted"] for event in forces.of(feed, "0")][-1] is True


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        (PEOPLE, "a time", "Name keys, or have the whole read again: alliance-hub connectors stop"),
        ("leicestershire/hr", "a time", "the next reading takes whatever was missed"),
        ("leicestershire/hr", "keys", "the next reading takes whatever was missed"),
    ],
)
def test_what_could_bring_nothing_is_refused_with_what_to_do_instead(forces, name, asked, said):
    feed = forces.of_force(name)
    wanted = (
        Backfill(keys=frozenset({"1"}))
        if asked == "keys"
        else Backfill(since="2016-11-01T00:00:00Z", until="2016-11-02T00:00:00Z")
    )
    with contextlib.closing(Operator(forces, feed)) as operator:
        with pytest.raises(BadQueryError, match=said):
            operator.backfill(wanted)
        assert operator.wishes() == {}
