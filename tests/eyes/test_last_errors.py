"""What `status` tells of stages that stand still, and of connectors nothing is heard of."""

import contextlib
import dataclasses
import threading

import pytest
from rich.console import Console

from connectors.states import HEARTBEAT_SECONDS
from hub.bus import open_bus
from hub.bus.contract import Offset
from hub.cli.status_lines import report
from hub.errors import ConfigurationError, FatalError, SourceChangedError, StoreAwayError, TransientError
from hub.flow import GONE_AFTER_SECONDS, Flow
from hub.last_error import LastError, beside_offset, read_beside_offset
from hub.normalise import window
from hub.normalise.counts import read_counts
from hub.normalise.lane import Lane
from hub.overview import Observer, Overview, Rates
from hub.standing import TRYING_UNHEARD_AFTER_SECONDS, UNHEARD_AFTER_SECONDS, Standing, standings, troubles
from tests.connecting import Bench, batch, row
from tests.eyes.rules import RUNBOOK
from tests.kafka_broker import own_broker
from tests.mapped import event, feed
from tests.normalising import Room
from tests.view_bus import FORCES, stage
from tests.view_records import incident

LEICESTERSHIRE = feed("leicestershire")
NORTHAMPTONSHIRE = feed("northamptonshire")
BAD = 3 * window.WINDOW_RECORDS
on_both_buses = pytest.mark.parametrize(
    "bus_url", ["embedded", pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.long])], indirect=True
)


@pytest.fixture
def bus_url(request, tmp_path):
    if getattr(request, "param", "embedded") == "embedded":
        yield f"embedded://{tmp_path}/bus.db"
        return
    broker = own_broker()
    yield f"kafka://{broker.address}"
    broker.stop()


@pytest.fixture
def room(bus_url, tmp_path):
    made = Room(tmp_path, bus=open_bus(bus_url))
    yield made
    made.close()


@contextlib.contextmanager
def a_normaliser(room, ends_in):
    with pytest.raises(ends_in), room.running():
        yield


def step_on(view):
    while True:
        view.step()


def nothing():
    raise ConfigurationError("not looked at here")


def told(part, bus, store=nothing):
    """How one part stands, as who sees bus and store finds it."""
    feeds = [feed for force in FORCES.values() for feed in force.feeds.values()]
    look = Observer(feeds, lambda: bus, nothing, store).look()
    return next(each for each in standings(look, Rates({}, None, None), set(), 60) if each.name == part)


def bad(count):
    return [
        (b"urn:alliance:incident:leicestershire:command:%d" % number, b"no avro") for number in range(count)
    ]


@on_both_buses
def test_a_feed_that_the_normaliser_left_is_told_of_until_it_is_normalised(room, monkeypatch):
    room.publish(NORTHAMPTONSHIRE, event(NORTHAMPTONSHIRE))
    room.write(LEICESTERSHIRE, *bad(BAD))
    with a_normaliser(room, ends_in=SourceChangedError):
        room.wait(lambda: told("normalisers", room.bus).error)
        found = told("normalisers", room.bus)
        assert "leicestershire/incident: 50 of the last 50 events could not be used" in found.error
        assert (found.state, troubles(found)) == ("RUNNING", ["in trouble"])
        assert found.since is not None
        room.catch_up([NORTHAMPTONSHIRE])
    assert told("normalisers", room.bus).error, "also once nobody runs"
    monkeypatch.setattr(window, "WINDOW_RECORDS", 1_000_000)
    room.normalise()
    assert told("normalisers", room.bus).error == ""
    assert room.counts(LEICESTERSHIRE).dead_lettered == BAD
    assert room.counts(NORTHAMPTONSHIRE).normalised == 1


def test_what_ended_the_normaliser_is_told_until_another_runs(room, monkeypatch):
    def fails(*_):
        raise KeyError("Smith")

    with monkeypatch.context() as broken:
        broken.setattr(Lane, "send", fails)
        with a_normaliser(room, ends_in=KeyError):
            room.publish(LEICESTERSHIRE, event(LEICESTERSHIRE))
            room.thread.join(60)
    found = told("normalisers", room.bus)
    assert found.error == "a defect of the hub (KeyError); please report it", "and nothing of a record"
    assert troubles(found) == ["nobody runs it"]
    with room.running():
        room.wait(lambda: not told("normalisers", room.bus).error)
        room.catch_up()
    assert room.counts(LEICESTERSHIRE).normalised == 1


@on_both_buses
def test_a_store_that_takes_nothing_in_is_told_by_its_view_until_it_does(bus_url, tmp_path, monkeypatch):
    with stage(bus_url, f"sqlite:///{tmp_path}/view.db") as scene:
        view = scene.view()
        scene.publish("incident", incident("1"))
        scene.settle(view)
        scene.publish("incident", incident("2"))

        def full(*_):
            raise StoreAwayError("The store view.db cannot be used now: database or disk is full.")

        with monkeypatch.context() as broken:
            broken.setattr(scene.store, "apply", full)
            with pytest.raises(StoreAwayError):
                step_on(view)
            found = told("view", scene.bus, lambda: scene.store)
            assert found.error == "The store view.db cannot be used now: database or disk is full."
            assert (found.state, troubles(found)) == ("RUNNING", ["in trouble"])
            assert (found.waiting or 0) >= 1, "on Kafka the mark of its transaction too"
        scene.settle(view)
        scene.now += 2
        view.step()
        assert told("view", scene.bus, lambda: scene.store).error == ""


def test_what_ended_a_view_is_told_until_another_takes_over(bus_url, tmp_path, monkeypatch):
    with stage(bus_url, f"sqlite:///{tmp_path}/view.db") as scene:
        scene.publish("incident", incident("1"))

        def refuses(*_):
            raise FatalError("The store view.db is damaged or not the hub's.")

        with monkeypatch.context() as broken:
            broken.setattr(scene.store, "apply", refuses)
            with pytest.raises(FatalError):
                scene.view().run(threading.Event())
        found = told("view", scene.bus, lambda: scene.store)
        assert (found.state, found.error) == ("UNASSIGNED", "The store view.db is damaged or not the hub's.")
        scene.settle(scene.view())
        assert told("view", scene.bus, lambda: scene.store).error == ""


@pytest.mark.parametrize(
    "letter", ["é", "\U0001f600", "\0", "\udce9"], ids=["2 bytes", "4 bytes", "escaped", "none"]
)
def test_an_error_of_any_length_and_script_fits_beside_an_offset(tmp_path, letter):
    with stage(f"embedded://{tmp_path}/bus.db", f"sqlite:///{tmp_path}/view.db") as scene:
        view = scene.view()
        scene.publish("incident", incident("1"))
        scene.settle(view)
        view._telling.error(view._consumer, view.reached(), FatalError(letter * 10_000))
        found = told("view", scene.bus, lambda: scene.store).error
        assert len(found) > 100
        assert set(found) <= {letter, "?"}


def test_what_was_counted_is_read_whatever_else_stands_beside_it():
    kept = beside_offset({"normalised": 3, "later": 1}, LastError("no", 5))
    assert read_beside_offset(kept) == ({"normalised": 3, "later": 1}, LastError("no", 5))
    assert read_counts(Offset(9, kept)).normalised == 3


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("error", [None, TransientError("the database does not answer")])
def test_a_connector_of_which_nothing_is_heard_is_unheard(bench, error):
    of = bench.feed()
    bench.publish(of, batch(row(1)), *([] if error is None else [error]))
    flow = Flow(bench.bus, bench.codec, [of])
    status = flow.status(of)
    flow.close()
    patience = UNHEARD_AFTER_SECONDS if error is None else TRYING_UNHEARD_AFTER_SECONDS

    def standing(seconds, state="RUNNING"):
        at = (status.heard_at or 0) + int(seconds * 1_000_000)
        look = Overview(at, 0, connectors=[dataclasses.replace(status, error=str(error or ""), state=state)])
        return next(s for s in standings(look, Rates({}, None, None), set(), 1e9) if s.status is not None)

    assert standing(patience - 1).state == "RUNNING"
    unheard = standing(patience + 1)
    assert (unheard.state, unheard.since) == ("UNHEARD", status.heard_at)
    assert "UNHEARD" in troubles(unheard)
    assert standing(GONE_AFTER_SECONDS + 1, "UNASSIGNED").since == status.heard_at
    assert standing(GONE_AFTER_SECONDS + 1, "STOPPED").since == status.since
    assert patience >= 3 * HEARTBEAT_SECONDS
    assert f"for {UNHEARD_AFTER_SECONDS} seconds" in RUNBOOK.read_text("utf-8")


def test_a_position_of_many_words_takes_no_more_than_its_line(bench):
    of = bench.feed(kind="files")
    flow = Flow(bench.bus, bench.codec, [of])
    drops = {f"done/{n}/drop-{n}.csv": {"name": f"drop-{n}.csv", "unread": True} for n in range(100)}
    status = dataclasses.replace(flow.status(of), position=drops | {"last": {"name": "drop-99.csv"}})
    flow.close()
    console = Console(width=200)
    with console.capture() as printed:
        console.print(report(0, [Standing(status.name, "RUNNING", status=status)]))
    (line,) = (line for line in printed.get().splitlines() if "drop-" in line)
    assert "the last of them drop-99.csv" in line
    assert line.rstrip().endswith(" …")
