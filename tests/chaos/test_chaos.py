"""Processes killed at random on each bus lose nothing; a hub that forgets is found out."""

import ast
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.faults import Faults, Told
from tests.chaos.noting import VARIABLE
from tests.chaos.places import STEPS, places, steps_on
from tests.chaos.results import Outcome, Results
from tests.chaos.verdict import Verdict, judge
from tests.chaos.world import World, until
from tests.kafka_broker import own_broker

ROOT = Path(__file__).parents[2]
NOTING = [sys.executable, "-m", "tests.chaos.noting"]
FORGETFUL = [sys.executable, "-m", "tests.chaos.forgetful"]
KINDS = ("connect", "normalise", "view")


def marks_of_the_code():
    """Every call of `reached` with the two constants that it is given."""
    found: Counter[tuple[object, ...]] = Counter()
    for folder in ("hub", "connectors"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "reached":
                    found[tuple(map(ast.literal_eval, node.args))] += 1
    return found


def test_the_marks_of_the_code_are_those_at_which_the_suite_kills():
    expected = [(STEPS[place.rpartition(":")[0]], place) for place in places(STEPS)]
    assert marks_of_the_code() == Counter(expected)


@pytest.fixture(
    params=["embedded", pytest.param("kafka", marks=[pytest.mark.kafka])],
)
def bus(request, tmp_path):
    """The kind of bus and its URL; a broker is this test's own, for the topics have fixed names."""
    if request.param == "embedded":
        yield request.param, f"embedded://{tmp_path / 'bus.db'}"
        return
    broker = own_broker()
    yield request.param, f"kafka://{broker.address}"
    broker.stop()


def test_killed_at_random_the_hub_loses_nothing_and_comes_by_every_mark(bus, tmp_path, monkeypatch):
    kind, url = bus
    noted = tmp_path / "marks"
    noted.touch()
    monkeypatch.setenv(VARIABLE, str(noted))
    seed = random.randrange(1_000_000)
    expected = {f"{STEPS[step]} {place}" for step in steps_on(kind) for place in places([step])}

    def missing():
        return expected - set(noted.read_text().splitlines())

    with World(
        tmp_path,
        url,
        f"sqlite:///{tmp_path / 'view.db'}",
        random.Random(seed),
        normalisers=2 if kind == "kafka" else 1,
        programs=dict.fromkeys(KINDS, NOTING),
    ) as world:
        assert world.start(), world.ended()
        told = Faults(world).run(8)
        assert until(lambda: not missing()), f"never passed: {missing()}"
        outcome = Outcome(kind, "sqlite", told, judge(world))
    assert told.count >= 8
    assert outcome.verdict.records_in > 100
    assert not outcome.failed, f"seed {seed}, logs in {tmp_path}: {outcome.problems()}"


def test_a_hub_that_keeps_an_offset_too_early_is_found_to_have_lost_records(tmp_path):
    with World(
        tmp_path,
        f"embedded://{tmp_path / 'bus.db'}",
        f"sqlite:///{tmp_path / 'view.db'}",
        random.Random(1),
        programs={"normalise": FORGETFUL},
    ) as world:
        assert world.start(), world.ended()
        normaliser = next(stage for stage in world.stages if stage.kind == "normalise")
        normaliser.kill()
        for _ in range(5):  # one of them may have held dead letters alone
            normaliser.start("normalise.commit:before:2")
            assert until(lambda: normaliser.ended() is not None)
        normaliser.start()
        verdict = judge(world)
    assert any("is not in the store" in each for each in verdict.lost)
    assert any(": records normalised" in each for each in verdict.unbalanced)


def test_results_add_up_over_the_runs_of_a_commit(tmp_path):
    Results(tmp_path, "abc").add(
        Outcome("embedded", "sqlite", Told(Counter({"view.apply:after": 3}), [0.5]), Verdict(10, 1))
    )
    bad = Verdict(5, lost=["x is not in the view"])
    Results(tmp_path, "abc").add(Outcome("embedded", "postgres", Told(Counter(anywhere=2), [1.5]), bad))
    Results(tmp_path, "other").add(Outcome("kafka", "sqlite", Told(), Verdict()))
    (line,) = Results(tmp_path, "abc").lines()
    assert line == (
        "embedded: faults 5, records in 15, lost 1, wrong 0, out of order 0, duplicates absorbed 1, "
        "longest recovery 1.5 s (median 1.0 s); killed at 1 of 54 marks; 2 on postgres, 3 on sqlite"
    )
