"""Which schema has which id: the indexes read together, checked whole before anything is read with them."""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType

from hub.bus.topics import specs
from hub.errors import ConfigurationError
from hub.forces import SCHEMAS, Force
from hub.schema.index import SchemaVersion, check_together, read_index
from hub.schema.rules import check_force_schema

__all__ = [
    "FIRST_OUTSIDE_ID",
    "PACKAGED_IDS",
    "SUFFIX",
    "Registry",
    "SchemaVersion",
    "load_registry",
    "read_registry",
]

FIRST_OUTSIDE_ID = 10_000
"""Ids below it belong to the package; the `schema_ids` of a force outside begin here or higher."""

SUFFIX = "-value"

PACKAGED_IDS = range(1, FIRST_OUTSIDE_ID)


class Registry:
    """Every schema the hub knows, by id and by subject. A subject is `<topic>-value`."""

    def __init__(
        self,
        versions: Iterable[SchemaVersion],
        topics: Iterable[str],
        outside: Mapping[str, range] = MappingProxyType({}),
    ) -> None:
        """`outside`: the ids that each force with schemas of its own claims."""
        self._outside = outside
        self._by_id = {version.id: version for version in versions}
        self._patterns: dict[str, tuple[SchemaVersion, ...]] = {}
        for version in sorted(self._by_id.values(), key=lambda each: each.version):
            self._patterns[version.subject] = (*self._patterns.get(version.subject, ()), version)
        self._subjects = sorted(
            subject for subject in (f"{topic}{SUFFIX}" for topic in topics) if self.versions(subject)
        )

    def __iter__(self) -> Iterator[SchemaVersion]:
        """All versions, by id."""
        return iter(self._by_id[number] for number in sorted(self._by_id))

    def subjects(self) -> list[str]:
        """The subjects of every topic of the configured forces and of the hub's own."""
        return list(self._subjects)

    def by_id(self, number: int) -> SchemaVersion | None:
        return self._by_id.get(number)

    def may_come(self, number: int, subject: str) -> bool:
        """Whether an id that is in no index here is one that a newer release gave to this subject.

        It is where it lies in the package's range or in that of the subject's force, for an id
        is given once and never taken back.
        """
        own = self._outside.get(subject.split(".", 1)[0], range(0))
        return number in PACKAGED_IDS or number in own

    def versions(self, subject: str) -> tuple[SchemaVersion, ...]:
        """All versions of a subject, oldest first; none where there is no such subject."""
        exact = self._patterns.get(subject)
        if exact is not None:
            return exact
        return next((v for p, v in self._patterns.items() if "*" in p and fnmatchcase(subject, p)), ())

    def newest(self, subject: str) -> SchemaVersion:
        """The version that is written today; ConfigurationError where there is no such subject."""
        versions = self.versions(subject)
        if not versions:
            raise ConfigurationError(
                f"No schema for subject '{subject}'; add one to the index with `alliance-hub schemas add`."
            )
        return versions[-1]


def load_registry(forces: Mapping[str, Force] | None = None) -> Registry:
    """Read the package's index, and that of every force whose schemas lie outside the package.

    Raises `ConfigurationError` naming every problem of every index at once: an id given twice
    or out of range, a file that is missing or changed, a version that is missing, a feed
    without a schema.
    """
    registry, problems = read_registry(forces or {})
    if problems:
        raise ConfigurationError("\n".join(problems))
    return registry


def read_registry(forces: Mapping[str, Force]) -> tuple[Registry, list[str]]:
    """Read the indexes; give what could be read of them, and what is wrong."""
    problems: list[str] = []
    versions = read_index(SCHEMAS, PACKAGED_IDS, "*", problems)
    claimed: dict[str, range] = {}
    for force in forces.values():
        if any(feed.schema.is_relative_to(force.folder) for feed in force.feeds.values()):
            ids = _claim(force, claimed, problems)
            versions += read_index(force.folder, ids, force.name, problems)
    check_together(versions, problems)
    registry = Registry(versions, [spec.name for spec in specs(forces)], claimed)
    for force in forces.values():
        _check_feeds(force, registry, problems)
    return registry, problems


def _claim(force: Force, claimed: dict[str, range], problems: list[str]) -> range:
    file = force.folder / "force.toml"
    if force.card.schema_ids is None:
        problems.append(
            f"{file}: 'schema_ids' is missing; claim a range, such as [{FIRST_OUTSIDE_ID}, 10099]."
        )
        return range(0)
    first, last = force.card.schema_ids
    ids = range(first, last + 1)
    if first < FIRST_OUTSIDE_ID or not ids:
        problems.append(
            f"{file}: schema_ids [{first}, {last}] must rise and begin at {FIRST_OUTSIDE_ID} or higher; "
            "those below belong to the package."
        )
    for other, taken in claimed.items():
        if first < taken.stop and taken.start < ids.stop:
            problems.append(
                f"{file}: schema_ids [{first}, {last}] overlap those of '{other}'; choose others."
            )
    claimed[force.name] = ids
    return ids


def _check_feeds(force: Force, registry: Registry, problems: list[str]) -> None:
    for feed in force.feeds.values():
        versions = registry.versions(f"{feed.topic}{SUFFIX}")
        if not versions or versions[-1].file != feed.schema:
            problems.append(
                f"{feed.file}: its schema {feed.schema} is not in the index as the newest of subject "
                f"'{feed.topic}{SUFFIX}'; run `alliance-hub schemas add {feed.schema.parent}`."
            )
            continue
        problems += [f"{feed.schema}: {wrong}." for wrong in check_force_schema(versions[-1].schema)]
