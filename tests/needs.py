"""What a test needs of the machine: missing on a laptop it skips, in CI it fails."""

import os
from typing import NoReturn

import pytest


def missing(remedy: str) -> NoReturn:
    """Skip the test, saying what to install; fail it where CI is set, for there nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(f"missing in CI: {remedy}", pytrace=False)
    pytest.skip(remedy)
