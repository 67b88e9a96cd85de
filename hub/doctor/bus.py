"""The checks of the bus: whether it answers, and whether topics and access lists are as they should be."""

import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from urllib.parse import urlsplit

from hub.bus.contract import Bus, TopicSpec
from hub.bus.topics import check
from hub.doctor.finding import Finding, failed, ok, warning
from hub.doctor.round import Check
from hub.errors import ConfigurationError
from hub.presence import bus_file

_REMEDY = "See that its brokers are up and reachable from here, and that `bus` names them."
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
    opened: Future[Bus | Finding] = Future()
    checks = [
        Check("bus", partial(_bus, url, open_bus, opened, within_seconds), _REMEDY),
        Check("topics", partial(_topics, opened, declared), _HUNG),
    ]
    if access_lists is not None:
        checks.append(Check("access lists", partial(_access_lists, opened, access_lists), _HUNG))
    return checks


def _bus(
    url: str, open_bus: Callable[[], Bus], opened: Future[Bus | Finding], within_seconds: float
) -> Iterator[Finding]:
    """Whether the bus is there, told in less than the time there is where nobody listens."""
    found: Bus | Finding = failed("topics", "not looked at, since the bus does not answer; see its line.")
    try:
        file = bus_file(url)
        if file is not None and not file.exists():
            found = warning("topics", "there are none yet; the first start of the hub makes them.")
            yield warning("bus", f"there is no bus at {file} yet; the first start of the hub makes it.")
        elif refused := _refused(url, within_seconds / 2):
            yield failed("bus", f"{refused}. {_REMEDY}")
        else:
            bus = open_bus()
            bus.describe_topics()
            found = bus
            yield ok("bus", f"{bus.url} answers")
    finally:
        opened.set_result(found)


def _topics(opened: Future[Bus | Finding], declared: Sequence[TopicSpec]) -> Iterator[Finding]:
    bus = opened.result()
    if isinstance(bus, Finding):
        yield bus
        return
    problems = check(bus, declared)
    yield from (failed("topics", problem) for problem in problems)
    if not problems:
        yield ok("topics", f"{len(declared)} topics are as declared")


def _access_lists(
    opened: Future[Bus | Finding], differences: Callable[[], Sequence[str]]
) -> Iterator[Finding]:
    """Only an administrator may read them: for another user it is a warning that they are not known."""
    about = "access lists"
    if isinstance(opened.result(), Finding):
        yield failed(about, "not looked at, since the bus does not answer; see its line.")
        return
    try:
        found = differences()
    except ConfigurationError as error:
        yield warning(about, f"{error} Have an administrator run `alliance-hub acl check`.")
        return
    if found:
        said = f"{len(found)} entries differ from the plan; `alliance-hub acl check` names all. The first is"
        yield failed(about, f"{said} {found[0]}")
    else:
        yield ok(about, "as planned")


def _refused(url: str, seconds: float) -> str | None:
    """Why no broker can be reached, by the last one's reason; None where one can, or there is none."""
    if not url.startswith("kafka:"):
        return None
    reason = None
    for server in url.removeprefix("kafka://").partition("?")[0].split(","):
        parts = urlsplit(f"//{server}")
        try:
            address = parts.hostname or "", parts.port or 9092
            socket.create_connection(address, timeout=seconds).close()
        except (OSError, ValueError) as error:
            reason = f"no broker can be reached: {server}: {getattr(error, 'strerror', None) or error}"
        else:
            return None
    return reason
