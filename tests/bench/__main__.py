"""`make bench`: rates and CPU time a record, counted at the far end; a table, and JSON in bench.json."""

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path

from tests.bench import latency, normaliser, steps, way
from tests.bench.figures import Figure, table

BENCHES = {
    "steps": steps.measure,
    "normaliser": normaliser.measure,
    "way": way.measure,
    "latency": latency.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument(
        "--seconds", type=float, default=20, help="how long each figure is measured, at least"
    )
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    given = parser.parse_args()
    figures: list[Figure] = []
    for name in given.only:
        with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder:
            for figure in BENCHES[name](Path(folder), given.seconds):
                figures.append(figure)
                print(figure, flush=True)  # noqa: T201 - a benchmark is watched
    print(table(figures))  # noqa: T201
    made = {"at": time.strftime("%FT%TZ", time.gmtime()), "machine": platform.platform()}
    given.out.write_text(json.dumps(made | {"figures": [f.as_dict() for f in figures]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
