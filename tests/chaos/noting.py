"""Runs the hub and notes which marks it comes by: `python -m tests.chaos.noting COMMAND …`."""

import os
from pathlib import Path

from hub import kill_points

VARIABLE = "CHAOS_MARKS"
"""The file that takes them, one a line: the invariant and the place."""

if __name__ == "__main__":
    reached, noted = kill_points.reached, set[str]()

    def note(invariant: int, place: str) -> None:
        if place not in noted:
            noted.add(place)
            with Path(os.environ[VARIABLE]).open("a") as file:
                file.write(f"{invariant} {place}\n")
        reached(invariant, place)

    kill_points.reached = note
    from hub.cli.app import main  # only now, for it brings the marks

    main()
