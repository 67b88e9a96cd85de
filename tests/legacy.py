"""Stand-ins for the legacy systems of the built-in forces, on a clock that the test moves."""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

import pytest

from connectors.standins.legacy import LegacySystems
from connectors.standins.truth import Truth
from hub.forces import Force, load_forces


class Clock:
    """Says what it was told last."""

    def __init__(self, at: dt.datetime = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)) -> None:
        self.at = at

    def __call__(self) -> dt.datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += dt.timedelta(seconds=seconds)


def builtin_forces() -> dict[str, Force]:
    root = Path(str(files("connectors")))
    return load_forces(card.parent for card in root.glob("*/force.toml"))


@contextmanager
def legacy_systems(folder: Path, clock: Clock, **options) -> Iterator[LegacySystems]:
    """Three forces' systems in `folder`, with few people."""
    legacy = LegacySystems(folder, builtin_forces(), clock=clock, **{"staff_scale": 0.01} | options)
    try:
        yield legacy
    finally:
        legacy.close()


@pytest.fixture
def legacy(tmp_path: Path) -> Iterator[LegacySystems]:
    """Three forces' systems on the machine's clock, quick to hand over what they hold."""
    systems = LegacySystems(
        tmp_path / "legacy", builtin_forces(), staff_scale=0.01, drop_seconds=0.1, extract_seconds=0.5
    )
    with closing(systems):
        yield systems


def of(truth: dict[str, Truth], force: str, kind: type) -> list[str]:
    """The record ids of a force's live records of one kind, in order."""
    return sorted(
        identity
        for identity, record in truth.items()
        if record.force == force and isinstance(record, kind) and not record.deleted
    )
