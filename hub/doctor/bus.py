"""The checks of the bus: whether it answers, and whether topics and access lists are as they should be."""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from urllib.parse import urlsplit

from hub.bus.contract import Bus, TopicSpec
from hub.bus.topics import differences
from hub.doctor.finding import Finding, failed, ok, warning
from hub.doctor.round import Check
from hub.errors import ConfigurationError
from hub.presence import bus_file

Opened = Future[Mapping[str, TopicSpec] | Finding]
"""The topics of a bus that answers, described once for all checks; else the line in their place."""

_REMEDY = "See that its brokers are up and reachable from here, and that `bus` names them."
_NO_TIME = (
    "Kafka tells its time only to who writes, which this does not: its brokers' clocks are not compared; "
    "have them follow the same time server"
)
_HUNG = "The bus did not answer; see its line."


def bus_checks(
    url: str,
    open_bus: Callable[[], Bus],
    declared: Sequence[TopicSpec],
    access_lists: Callable[[], Sequence[str]] | None,
    within_seconds: float,
) -> list[Check]:
    """The bus itself, and where it answers its topics and its access lists.

    `access_lists` gives their differences from the plan; None where the bus has none.
    """
    opened: Opened = Future()
    checks = [
        Check("bus", partial(_bus, url, open_bus, opened, within_seconds), _REMEDY),
        Check("topics", partial(_topics, opened, declared), _HUNG),
    ]
    if access_lists is not None:
        checks.append(Check("access lists", partial(_access_lists, opened, access_lists), _HUNG))
    return checks


def _bus(url: str, open_bus: Callable[[], Bus], opened: Opened, within_seconds: float) -> Iterator[Finding]:
    """Whether the bus is there, told in less than the time there is where nobody listens."""
    found: Mapping[str, TopicSpec] | Finding = failed(
        "topics", "not looked at, since the bus does not answer; see its line."
    )
    try:
        file = bus_file(url)
        if file is not None and not file.exists():
            found = warning("topics", "there are none yet; the first start of the hub makes them.")
            yield warning("bus", f"there is no bus at {file} yet; the first start of the hub makes it.")
        elif refused := _refused(url, within_seconds / 2):
            yield failed("bus", f"{refused}. {_REMEDY}")
        else:
            bus = open_bus()
            found = bus.describe_topics()
            yield ok("bus", f"{bus.url} answers")
            if url.startswith("kafka:"):
                yield ok("clock", _NO_TIME)
    finally:
        opened.set_result(found)


def _topics(opened: Opened, declared: Sequence[TopicSpec]) -> Iterator[Finding]:
    there = opened.result()
    if isinstance(there, Finding):
        yield there
        return
    problems = differences(there, declared)
    yield from (failed("topics", problem) for problem in problems)
    if not problems:
        yield ok("topics", f"{len(declared)} topics are as declared")


def _access_lists(opened: Opened, beside_the_plan: Callable[[], Sequence[str]]) -> Iterator[Finding]:
    """Only an administrator may read them: for another user it is a warning that they are not known."""
    about = "access lists"
    if isinstance(opened.result(), Finding):
        yield failed(about, "not looked at, since the bus does not answer; see its line.")
        return
    try:
        found = beside_the_plan()
    except ConfigurationError as error:
        yield warning(about, f"{error} Have an administrator run `alliance-hub acl check`.")
        return
    if found:
        said = f"{len(found)} entries differ from the plan; `alliance-hub acl check` names all. The first is"
        yield failed(about, f"{said} {found[0]}")
    else:
        yield ok(about, "as planned")


def _refused(url: str, seconds: float) -> str | None:
    """Why no broker can be reached, by the last one's reason; None where one can, or there is none.

    All are tried within `seconds` together, so that some that hang do not hide one that answers.
    """
    if not url.startswith("kafka:"):
        return None
    reason = None
    servers = url.removeprefix("kafka://").partition("?")[0].split(",")
    for server in servers:
        parts = urlsplit(f"//{server}")
        try:
            address = parts.hostname or "", parts.port or 9092
            socket.create_connection(address, timeout=seconds / len(servers)).close()
        except (OSError, ValueError) as error:
            reason = f"no broker can be reached: {server}: {getattr(error, 'strerror', None) or error}"
        else:
            return None
    return reason
