"""`make soak`: the hub under steady work for an hour, and whether anything in it grows.

Writes soak.json and soak.svg. Ends with `N passed, N failed`; the exit code is 1 where one failed.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.place import BUSES, STORES
from tests.soak.soak import Plan, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak ARGS=…", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=500, help="events a second, of all forces together")
    parser.add_argument("--bus", choices=BUSES, default="embedded")
    parser.add_argument("--store", choices=STORES, default="sqlite")
    parser.add_argument("--every", type=float, default=5, help="seconds between samples")
    parser.add_argument("--out", type=Path, default=Path("soak"), help="folder for the report")
    given = parser.parse_args()
    plan = Plan(given.minutes * 60, given.rate, given.bus, given.store, given.every)
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hub-soak-") as folder:
        return 0 if soak(plan, Path(folder), given.out) else 1


if __name__ == "__main__":
    sys.exit(main())
