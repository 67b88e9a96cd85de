"""Proves what the README guarantees: `python -m tests.chaos` kills the hub at random and compares.

Rounds go over both buses and both stores; `--faults` is the number on each bus. The last line is
`N passed, N failed`: each round asks whether everything ran on, and whether anything was lost, wrong,
out of order or counted wrongly.
"""

import argparse
import random
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker, BrokerError
from tests.chaos.results import FOLDER, Outcome, Results
from tests.chaos.round import play
from tests.postgres import Postgres, start_postgres

BUSES = ("embedded", "kafka")
STORES = ("sqlite", "postgres")
_MOST_A_ROUND = 60
_MOST_TOLD = 5


def main() -> int:
    asked = _arguments()
    seed = random.SystemRandom().randrange(1_000_000) if asked.seed is None else asked.seed
    results = Results()
    _say(f"seed {seed} (SEED={seed} asks for the same faults again), commit {results.commit}")
    passed = failed = 0
    with ExitStack() as stack:
        server = _postgres(stack) if asked.store != "sqlite" else None
        stores = [name for name in STORES if asked.store in {None, name} and (name == "sqlite" or server)]
        for number, (bus, store, faults) in enumerate(_plan(asked.bus, stores, asked.faults)):
            outcome = _round(bus, store, server, seed + number, faults)
            if outcome is None:
                continue
            results.add(outcome)
            failed += outcome.failed
            passed += len(outcome.problems()) - outcome.failed
            _tell(outcome, seed + number)
    for line in results.lines():
        _say(line)
    _say(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=40, help="how many on each bus (40)")
    parser.add_argument("--bus", choices=BUSES, help="one bus only")
    parser.add_argument("--store", choices=STORES, help="one store only")
    parser.add_argument("--seed", type=int, help="the seed that an earlier run printed")
    return parser.parse_args()


def _plan(bus: str | None, stores: list[str], faults: int) -> Iterator[tuple[str, str, int]]:
    """Bus, store and number of faults of each round: the stores in turn, worlds that stay small."""
    for each in BUSES if bus is None else [bus]:
        rounds = max(len(stores), -(-faults // _MOST_A_ROUND))
        for number in range(rounds):
            share = faults // rounds + (number < faults % rounds)
            if share:
                yield each, stores[number % len(stores)], share


def _round(bus: str, store: str, server: Postgres | None, seed: int, faults: int) -> Outcome | None:
    """Play a round on a bus and a store of its own; None where they are not to be had."""
    folder = FOLDER / f"{time.strftime('%Y%m%d-%H%M%S')}-{bus}-{store}-{seed}"
    try:
        with _bus(bus, folder) as url, _store(store, folder, server) as where:
            outcome = play(folder, url, (store, where), seed, faults)
    except BrokerError as error:
        _say(f"{bus}: not run: {error}")
        return None
    if outcome.failed:
        _say(f"what failed is kept in {folder}")
    else:
        shutil.rmtree(folder)
    return outcome


@contextmanager
def _bus(bus: str, folder: Path) -> Iterator[str]:
    if bus == "embedded":
        yield f"embedded://{folder / 'bus.db'}"
        return
    broker = Broker(folder / "broker")
    broker.start()
    try:
        yield f"kafka://{broker.address}"
    finally:
        broker.stop()


@contextmanager
def _store(store: str, folder: Path, server: Postgres | None) -> Iterator[str]:
    if store == "sqlite" or server is None:
        yield f"sqlite:///{folder / 'view.db'}"
        return
    database = server.create()
    try:
        yield server.url(database)
    finally:
        server.drop(database)


def _postgres(stack: ExitStack) -> Postgres | None:
    try:
        server: Postgres = start_postgres()
    except (pytest.skip.Exception, pytest.fail.Exception) as error:
        _say(f"postgres: not run: {error}")
        return None
    stack.callback(server.stop)
    return server


def _tell(outcome: Outcome, seed: int) -> None:
    told, found = outcome.told, "FAILED" if outcome.failed else "all as it must be"
    _say(
        f"{outcome.bus} and {outcome.store}: {told.count} faults, {outcome.verdict.records_in} records in, "
        f"longest recovery {max(told.recoveries, default=0.0):.1f} s, {found} (seed {seed})"
    )
    for question, problems in outcome.problems().items():
        for each in problems[:_MOST_TOLD]:
            _say(f"  {question}: {each}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
