"""For tests of the mapping: events in a force's own words, and what the hub makes of them."""

import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from connectors import __file__ as connectors_file
from hub.domains import DOMAINS
from hub.events import record_id
from hub.forces import Feed, Force, load_forces
from hub.normalise.alliance import read_row
from hub.normalise.boundary import Boundary
from hub.normalise.mapping import Mapper, compile_mapping
from hub.schema.growth import add_versions

BUILT_IN = Path(connectors_file).parent
LINCOLNSHIRE = Path(__file__).parent / "forces" / "lincolnshire"
TOPIC, PARTITION, OFFSET = "leicestershire.incident.v1", 3, 41


@cache
def built_in() -> Mapping[str, Force]:
    return load_forces([card.parent for card in BUILT_IN.glob("*/force.toml")])


def feed(force: str, domain: str = "incident") -> Feed:
    return built_in()[force].feeds[domain]


@cache
def mapper(force: str, domain: str = "incident") -> Mapper:
    return compile_mapping(feed(force, domain))


def event(of: Feed, *, key: str = "2016-11-01:7", version: int = 1, **columns: Any) -> dict[str, Any]:
    """An event of a feed with these columns, named as in the force's system; the others are null."""
    head = {name: columns.pop(name) for name in ("deleted", "system", "record_id") if name in columns}
    nodes = read_row(of.schema)
    row = {node.name: columns.pop(name, None) for name, node in nodes.items()}
    assert not columns, f"no such columns: {columns}"
    domain = DOMAINS[of.domain]
    return {
        "record_id": record_id(domain.noun, of.force, of.system if domain.noun_has_system else None, key),
        "system": of.system,
        "key": key,
        "source_version": version,
        "deleted": False,
        "read_at": 1_478_000_000_000_000,
        "changed_at": None,
        "source_position": "V_INCIDENT, row 7",
        "content_hash": bytes(16),
        "absent": [],
        "row": row,
    } | head


def mapped(force: str, domain: str = "incident", **columns: Any) -> dict[str, Any]:
    """The alliance record of one event with these columns."""
    return mapper(force, domain)(event(feed(force, domain), **columns), TOPIC, PARTITION, OFFSET)


def copied_force(folder: Path, force: str = "leicestershire") -> Path:
    """A copy of a built-in force's folder that a test may change."""
    target = folder / force
    shutil.copytree(BUILT_IN / force, target)
    return target


def edited(file: Path, old: str, new: str) -> None:
    """Change a text in a file; it must be there."""
    text = file.read_text("utf-8")
    assert old in text, f"'{old}' is not in {file}"
    file.write_text(text.replace(old, new), "utf-8")


def copied_feed(folder: Path, domain: str = "incident") -> Feed:
    """The feed of a changed folder."""
    return next(iter(load_forces([folder]).values())).feeds[domain]


def compiled(folder: Path, domain: str = "incident", *, boundary: Boundary | None = None) -> Mapper:
    return compile_mapping(copied_feed(folder, domain), boundary=boundary)


def two_releases(folder: Path) -> tuple[Path, Path]:
    """A force outside the package as it is now, and as a later release has it.

    Its schema has a column more then, Channel, which its mapping reads.
    """
    now, later = folder / "now" / "lincolnshire", folder / "later" / "lincolnshire"
    for each in (now, later):
        shutil.copytree(LINCOLNSHIRE, each)
    shutil.copy(later / "incident.avsc", later / "incident.v1.avsc")
    channel = (
        '{"name": "Channel", "type": ["null", "string"], "default": null, "doc": "How the call came in."},'
    )
    edited(later / "incident.avsc", '{"name": "Sector",', channel + '{"name": "Sector",')
    edited(later / "incident.toml", "version = 1\n", "version = 2\n")
    edited(later / "incident.toml", '{ from = "Occurrence"', '{ from = "Channel"')
    (added,) = add_versions(later, range(10_000, 10_100), "lincolnshire.")
    assert (added.subject, added.version) == ("lincolnshire.incident.v1-value", 2)
    return now, later
