"""A folder in memory where there is such: for tests that do not try a loss of power."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@contextmanager
def quick_folder(otherwise: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else otherwise
    with TemporaryDirectory(dir=where, prefix="alliance-hub-") as folder:
        yield Path(folder)


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    with quick_folder(tmp_path) as folder:
        yield folder
