"""The planned access lists: each process's rights for who it is to Kafka, and the commands that set them."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from hub.acl.entry import Entry, Kind
from hub.acl.rights import CONSUMER, Forces, Right, processes
from hub.errors import ConfigurationError

Principals = Mapping[str, str | Sequence[str]]
"""Of some processes, who they are to Kafka; the others are `User:hub-<process>`."""

_FORM = re.compile(r"[A-Za-z]+:.+")


class Planned(NamedTuple):
    process: str
    principal: str
    rights: Sequence[Right]


def plan(forces: Forces, principals: Principals) -> list[Planned]:
    """Every process with every one of its principals.

    `ConfigurationError` names each principal of no process, and each that is not in Kafka's form.
    """
    table = processes(forces)
    problems = [
        f"principals: '{name}' is no process. Known are: {', '.join(table)}."
        for name in principals
        if name not in table
    ]
    planned: list[Planned] = []
    for process, rights in table.items():
        for principal in _principals_of(process, principals):
            problems += _principal_problems(process, principal, forces)
            own = [*rights, *([_own_groups(principal)] if process == CONSUMER else [])]
            planned.append(Planned(process, principal, own))
    if problems:
        raise ConfigurationError("\n".join(problems))
    return planned


def entries(planned: Iterable[Planned]) -> list[Entry]:
    """Every line of the access lists once, in the order of the plan."""
    lines = (
        Entry(each.principal, right.kind, right.name, operation, right.prefixed)
        for each in planned
        for right in each.rights
        for operation in right.operations
    )
    return list(dict.fromkeys(lines))


def commands(tool: str, given: Iterable[Entry], act: str = "--add") -> list[str]:
    """The fewest calls of Kafka's own tool that add, or `--remove --force`, these entries."""
    operations: dict[tuple[str, bool, str, Kind, bool, str], list[str]] = {}
    for e in given:
        key = (e.principal, e.allow, e.host, e.kind, e.prefixed, e.name)
        operations.setdefault(key, []).append(e.operation)
    names: dict[tuple[str, bool, str, Kind, bool, tuple[str, ...]], list[str]] = {}
    for (*alike, name), of_it in operations.items():
        names.setdefault((*alike, tuple(of_it)), []).append(name)  # type: ignore[arg-type]
    return [f"{tool} {act} {' '.join(_words(*key, of_them))}" for key, of_them in names.items()]


def _words(
    principal: str,
    allow: bool,
    host: str,
    kind: Kind,
    prefixed: bool,
    operations: Iterable[str],
    names: Iterable[str],
) -> Iterator[str]:
    rule = "allow" if allow else "deny"
    yield f"--{rule}-principal {shlex.quote(principal)}"
    if host != "*":
        yield f"--{rule}-host {shlex.quote(host)}"
    yield from (f"--operation {operation}" for operation in operations)
    yield from ("--cluster" if kind is Kind.CLUSTER else f"--{kind} {shlex.quote(name)}" for name in names)
    if prefixed:
        yield "--resource-pattern-type prefixed"


def _principals_of(process: str, principals: Principals) -> Sequence[str]:
    given = principals.get(process, f"User:hub-{process.replace('.', '-')}")
    return [given] if isinstance(given, str) else given


def _principal_problems(process: str, principal: str, forces: Forces) -> Iterator[str]:
    if not _FORM.fullmatch(principal):
        yield f"principals: '{principal}' of '{process}' is not in Kafka's form, such as User:hub-view."
    if process == CONSUMER and _name_of(principal) in {*forces, "alliance", "hub"}:
        yield f"principals: '{principal}' of a consumer would have groups of the hub's own names."


def _own_groups(principal: str) -> Right:
    return Right(Kind.GROUP, f"{_name_of(principal)}.", ("Read",), prefixed=True)


def _name_of(principal: str) -> str:
    """A principal's bare name: of `User:CN=room,O=Police` it is `room`."""
    name = principal.partition(":")[2]
    common = re.search(r"(?:^|,)CN=([^,]+)", name)
    return common[1] if common else name
