"""`make soak`: the hub under steady work for an hour, and whether anything in it grows.

Writes soak.json and soak.svg. Ends with `N passed, N failed`; the exit code is 1 where one failed.
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.soak.backlog import stages
from tests.soak.place import BUSES, STORES, place
from tests.soak.soak import Plan, soak, tell


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak ARGS=…", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=500, help="events a second, of all forces together")
    parser.add_argument("--bus", choices=BUSES, default="embedded")
    parser.add_argument("--store", choices=STORES, default="sqlite")
    parser.add_argument("--every", type=float, default=5, help="seconds between samples")
    parser.add_argument("--out", type=Path, default=Path("soak"), help="folder for the report")
    parser.add_argument(
        "--backlog", type=int, help="instead: the memory of each stage with so many records before it"
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends it ends what it started
    plan = Plan(given.minutes * 60, given.rate, given.bus, given.store, given.every)
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hub-soak-") as folder:
        if given.backlog is None:
            passed = soak(plan, Path(folder), given.out)
        else:
            with place(given.bus, given.store, Path(folder)) as where:
                passed = tell(stages(where, Path(folder), given.backlog))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
