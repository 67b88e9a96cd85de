"""`alliance-hub doctor`: what is wrong, each line with its remedy, within seconds."""

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from hub.bus.kafka_url import parse_kafka_url
from hub.cli.options import takes_settings
from hub.cli.parts import Parts
from hub.config import Settings, SourceSettings, stray_sources
from hub.doctor.finding import EXIT_CODES, Finding, Verdict, failed, ok, warning, worst
from hub.doctor.round import Check, examine
from hub.errors import HubError, TransientError
from hub.forces import Feed

_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}
_CLOSE_SECONDS = 0.5
_SOURCE_REMEDY = "See that its system is up and reachable from here, and that `location` names it."


def _refused(error: HubError, given: Mapping[str, Any]) -> None:
    """The settings cannot be read, so that is all there is to say."""
    findings = [failed("configuration", line) for line in str(error).splitlines()]
    _tell(findings, as_json=given["as_json"])


def _doctor(
    settings: Settings,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    within: Annotated[
        float, typer.Option(min=0.1, max=600, help="Seconds after which what does not answer is given up.")
    ] = 3,
) -> None:
    """Look at configuration, bus, topics, schemas, store, sources, disk, clocks, certificates and tokens.

    Only looks, beside a hub that runs or not. Exits with 0 where all is ok, with 1 for a warning,
    with 2 where something failed.
    """
    parts = Parts(settings)
    try:
        checks = _checks(parts, within)
    except HubError as error:
        findings = [failed("configuration", line) for line in str(error).splitlines()]
    else:
        findings = examine(checks, within)
        if not any(finding.about == "clock" for finding in findings):
            findings.append(ok("clock", "nothing that answers tells another time than this machine's"))
    _close(parts)
    _tell(findings, as_json=as_json)


def _close(parts: Parts) -> None:
    """Let go of bus and store, unless what does not answer holds that up: the end of the process will."""
    closing = threading.Thread(target=parts.close, daemon=True)
    closing.start()
    closing.join(_CLOSE_SECONDS)


doctor = takes_settings(_doctor, refused=_refused)


def _checks(parts: Parts, within: float) -> list[Check]:
    from hub.doctor import machine
    from hub.doctor.bus import bus_checks
    from hub.doctor.store import REMEDY, check_store

    settings, forces = parts.settings, parts.forces
    return [
        Check("configuration", lambda: _configuration(parts)),
        Check("forces", lambda: _forces(parts)),
        Check("schemas", lambda: _schemas(parts)),
        *bus_checks(
            settings.bus_url, lambda: parts.bus, parts.declared_topics(), _access_lists(parts), within
        ),
        Check("store", lambda: check_store(settings.store_url, settings.store_secret()), REMEDY),
        *_sources(parts),
        Check("disk", lambda: machine.check_disk(settings)),
        Check("certificates", lambda: machine.check_certificates(settings)),
        Check("boundary", lambda: machine.check_boundary(settings, forces)),
        Check("tokens", lambda: machine.check_tokens(settings)),
    ]


def _access_lists(parts: Parts) -> Callable[[], Sequence[str]] | None:
    """What compares a guarded Kafka's access lists with their plan; None for any other bus."""
    url = parts.settings.bus_url
    if not url.startswith("kafka:") or not parse_kafka_url(url).settings:
        return None

    def beside_the_plan() -> Sequence[str]:
        from hub.acl.compare import differences
        from hub.acl.plan import plan
        from hub.bus.kafka_acls import read_access_lists

        address = parse_kafka_url(url)
        planned = plan(parts.forces, parts.settings.principals)
        tool = f"kafka-acls.sh --bootstrap-server {address} --command-config admin.properties"
        return differences(planned, read_access_lists(address), parts.forces, tool)

    return beside_the_plan


def _configuration(parts: Parts) -> Iterator[Finding]:
    """Whether what is configured is of forces and domains that there are."""
    sources, feeds = parts.settings.sources, parts.feeds()
    yield from (failed("configuration", stray) for stray in stray_sources(sources, map(str, feeds)))
    unnamed = [str(feed) for feed in feeds if feed.domain not in sources.get(feed.force, {})]
    if len(unnamed) == len(feeds):
        yield warning(
            "configuration",
            "no source is configured, so nothing is read: set [sources.FORCE.DOMAIN] location.",
        )
    said = f"the settings name the sources of {len(feeds) - len(unnamed)} of {len(feeds)} feeds"
    yield ok("configuration", f"{said}, and none of {', '.join(unnamed)}" if unnamed else said)


def _forces(parts: Parts) -> Iterator[Finding]:
    from connectors.sources import check_source
    from hub.normalise.mapping import check_mapping

    feeds = parts.feeds()
    problems = [problem for feed in feeds for problem in (*check_source(feed), *check_mapping(feed))]
    yield from (failed("forces", problem) for problem in problems)
    if not problems:
        yield ok("forces", f"{len(parts.forces)} forces with {len(feeds)} feeds are as they must be")


def _schemas(parts: Parts) -> Iterator[Finding]:
    from hub.schema.compatibility import check_registry
    from hub.schema.registry import read_registry

    registry, problems = read_registry(parts.forces)
    problems += check_registry(registry)
    yield from (failed("schemas", problem) for problem in problems)
    if not problems:
        yield ok("schemas", f"{len(list(registry))} schemas are compatible and as published")


def _sources(parts: Parts) -> list[Check]:
    """A check for each feed whose source is configured."""
    located = [
        (feed, where)
        for feed in parts.feeds()
        if (where := parts.settings.sources.get(feed.force, {}).get(feed.domain)) is not None
    ]
    return [_source(feed, where) for feed, where in located]


def _source(feed: Feed, where: SourceSettings) -> Check:
    from connectors.examination import about, examine_source

    def look() -> Iterator[Finding]:
        try:
            yield from examine_source(feed, where.location, where.secret())
        except TransientError as error:
            raise TransientError(f"{error} {_SOURCE_REMEDY}") from error

    return Check(about(feed), look, _SOURCE_REMEDY)


def _tell(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Say it, and end the process at once: what still hangs in a check is left behind."""
    verdict = worst(findings)
    if as_json:
        told = [{"about": f.about, "verdict": f.verdict, "said": f.said} for f in findings]
        typer.echo(json.dumps({"verdict": verdict, "findings": told}, indent=2))
    else:
        width = max(len(finding.about) for finding in findings)
        for finding in findings:
            word = typer.style(f"{finding.verdict:<7}", fg=_COLOURS[finding.verdict])
            typer.echo(f"{word}  {finding.about:<{width}}  {finding.said}")
    sys.stdout.flush()
    raise typer.Exit(EXIT_CODES[verdict])
