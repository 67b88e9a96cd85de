"""The checks of what lies on this machine: disk, certificates, boundary file, tokens."""

import datetime as dt
import shutil
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from hub.access import is_loopback, refuse_open_server
from hub.certificates import WARN_DAYS, certificate_files, read_certificate
from hub.config import Settings
from hub.doctor.finding import Finding, failed, ok, warning
from hub.errors import ConfigurationError, HubError
from hub.forces import Force
from hub.holders import Tokens
from hub.presence import bus_file, store_file
from hub.serve.clients import Clients

_GIB = 1024**3
WARN_FREE = (2 * _GIB, 10)
FAIL_FREE = (_GIB // 4, 2)
"""Bytes and percent: with less free than either, it is a warning, or has failed."""


def check_disk(settings: Settings) -> Iterator[Finding]:
    """The room on each disk that this machine keeps the hub's files on."""
    files = [
        file for file in (bus_file(settings.bus_url), store_file(settings.store_url)) if file is not None
    ]
    told = set()
    for place in [*(file.parent for file in files), settings.state]:
        there = next(each for each in (place.absolute(), *place.absolute().parents) if each.exists())
        if there.stat().st_dev not in told:
            told.add(there.stat().st_dev)
            yield _room(there)


def check_certificates(settings: Settings, now: dt.datetime | None = None) -> Iterator[Finding]:
    """Every certificate that the settings name: whether it can be read, and when it ends."""
    now = now or dt.datetime.now(dt.UTC)
    files = certificate_files(settings)
    for use, file in files:
        try:
            certificate = read_certificate(use, file)
        except HubError as error:
            yield failed("certificates", str(error))
            continue
        said = certificate.warning(now)
        if said is None:
            days = (certificate.not_after - now).days
            yield ok("certificates", f"'{certificate.subject}' for {use} is good for {days} days")
        else:
            judge = failed if certificate.not_after <= now else warning
            yield judge("certificates", said)
    if not files:
        yield ok("certificates", "the settings name none")


def check_boundary(settings: Settings, forces: Mapping[str, Force]) -> Iterator[Finding]:
    """Whether the boundary file can be read and holds every force."""
    if settings.boundary is None:
        yield ok("boundary", "none is configured: in whose area a point lies is not told")
        return
    from hub.normalise.boundary import load_boundary

    load_boundary(settings.boundary, forces)
    yield ok("boundary", f"{settings.boundary.file} holds the areas of {', '.join(forces)}")


def check_tokens(settings: Settings, today: dt.date | None = None) -> Iterator[Finding]:
    """Whether the server knows who asks, and which tokens have expired or soon will."""
    today = today or dt.datetime.now(dt.UTC).date()
    server, file = settings.server, settings.tokens_file
    refuse_open_server(settings.host, known_by=file or server.clients_file, unread=server.unread)
    if server.plain_http and not is_loopback(settings.host):
        yield ok(
            "tokens", f"go over plain HTTP at {settings.host}, as plain_http says: see that none can read it"
        )
    if server.clients_file is not None:
        Clients(server.clients_file)
        yield ok("tokens", f"{server.clients_file} says who holds which client certificate")
    if file is None:
        if server.clients_file is None:
            yield ok(
                "tokens", f"none are configured: who is on this machine may do everything at {settings.host}"
            )
        return
    Tokens(file)
    ends = {token["name"]: token.get("expires") for token in tomllib.loads(file.read_text("utf-8"))["tokens"]}
    soon = today + dt.timedelta(days=WARN_DAYS)
    late = {name: end for name, end in ends.items() if end is not None and end <= soon}
    for name, end in late.items():
        word = "expired" if end < today else "expires"
        yield warning(
            "tokens",
            f"token '{name}' {word} on {end}; make another with `alliance-hub token`, or take it out.",
        )
    if file.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield warning("tokens", f"others may write {file}, and so let anybody in: chmod go-w.")
    if not late:
        yield ok("tokens", f"{file} holds {len(ends)} tokens")


def _room(there: Path) -> Finding:
    try:
        usage = shutil.disk_usage(there)
    except OSError as error:
        raise ConfigurationError(f"the disk of {there} cannot be looked at: {error.strerror}.") from error
    percent = 100 * usage.free / usage.total
    said = f"{usage.free / _GIB:.1f} GiB ({percent:.0f} %) are free on the disk of {there}"
    for judge, (least, least_percent) in ((failed, FAIL_FREE), (warning, WARN_FREE)):
        if usage.free < least or percent < least_percent:
            return judge("disk", f"{said}; free some, or give the hub's files a larger disk.")
    return ok("disk", said)
