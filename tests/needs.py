"""What a test needs of the machine: missing on a laptop it skips, in CI it fails."""

import os
from pathlib import Path
from typing import NoReturn

import pytest


def missing(remedy: str) -> NoReturn:
    """Skip the test, saying what to install; fail it where CI is set, for there nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(f"missing in CI: {remedy}", pytrace=False)
    pytest.skip(remedy)


def public_data(name: str) -> Path:
    """Real public data that is read in place, beside the repository."""
    found = Path(__file__).parents[2] / "shared" / "data" / name
    return found if found.exists() else missing(f"real public data: put {name} into ../shared/data")
