"""One round: a world is made, disturbed so many times, left to settle, and judged."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.chaos.faults import Faults, Told
from tests.chaos.results import Outcome
from tests.chaos.verdict import judge
from tests.chaos.world import PATIENCE_SECONDS, World


def play(
    folder: Path,
    bus: str,
    store: tuple[str, str],
    seed: int,
    faults: int,
    *,
    programs: Mapping[str, Sequence[str]] | None = None,
) -> Outcome:
    """`store` is its name and URL. All that is kept is in `folder`; what was wrong, in `problems.txt`."""
    folder.mkdir(parents=True, exist_ok=True)
    normalisers = 2 if bus.startswith("kafka:") else 1
    rng = random.Random(seed)
    with World(folder, bus, store[1], rng, normalisers=normalisers, programs=programs) as world:
        if world.start():
            told = Faults(world).run(faults)
        else:
            told = Told(problems=world.ended() or [f"nothing was visible within {PATIENCE_SECONDS} s"])
        outcome = Outcome(world.kind, store[0], told, judge(world))
    listed = [f"{question}: {each}" for question, found in outcome.problems().items() for each in found]
    (folder / "problems.txt").write_text("\n".join([f"seed {seed}", *listed]) + "\n", "utf-8")
    return outcome
