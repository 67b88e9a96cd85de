"""The plan beside what a running broker has: what is missing, and what is there beyond it."""

from collections.abc import Iterable, Iterator, Sequence

from hub.acl.entry import Entry, Kind
from hub.acl.plan import Planned, commands, entries
from hub.acl.rights import Forces


def differences(planned: Sequence[Planned], found: Iterable[Entry], forces: Forces, tool: str) -> list[str]:
    """Each difference in words, with the command that ends it.

    Counted are the entries of the planned principals, whatever they are about, and those of
    anybody else about what is the hub's.
    """
    wanted, there = entries(planned), set(found)
    ours = {each.principal for each in planned}
    return [
        *(f"missing: {entry}. {_remedy(tool, entry, '--add')}" for entry in wanted if entry not in there),
        *(
            f"{_fault(entry)}: {entry}. {_remedy(tool, entry, '--remove --force')}"
            for entry in sorted(there - set(wanted))
            if entry.principal in ours or _is_about(entry, forces)
        ),
    ]


def _fault(entry: Entry) -> str:
    return "too wide" if entry.allow else "denied"


def _remedy(tool: str, entry: Entry, act: str) -> str:
    return commands(tool, [entry], act)[0]


def _is_about(entry: Entry, forces: Forces) -> bool:
    """Whether it reaches any topic, group or transactional id of the hub."""
    return entry.kind in {Kind.TOPIC, Kind.GROUP, Kind.TRANSACTIONAL_ID} and any(_reaches(entry, forces))


def _reaches(entry: Entry, forces: Forces) -> Iterator[bool]:
    yield entry.name == "*"
    for own in (*(f"{force}." for force in forces), "alliance.", "hub."):
        yield entry.name.startswith(own) or (entry.prefixed and own.startswith(entry.name))
