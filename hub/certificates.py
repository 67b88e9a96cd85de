"""The certificates that a process uses, and when they expire.

Every process tells it in `alliance_hub_certificate_expires_timestamp_seconds{use,file}` and warns in
its log within `WARN_DAYS` of the end; the files are looked at again and again, so that one
renewed on disk is told of without a restart. Connections made from then on use it.
"""

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import structlog

from hub.bus.kafka_url import parse_kafka_url
from hub.config import Settings
from hub.errors import ConfigurationError
from hub.metrics import Metrics

log = structlog.get_logger()

WARN_DAYS = 30
LOOK_SECONDS = 60.0

_AUTHORITY = " authority"
_BUS_FILES = {"ssl_certfile": "bus", "ssl_cafile": "bus" + _AUTHORITY}
_DATABASE_FILES = {"sslcert": "", "sslrootcert": _AUTHORITY, "ssl_cert": "", "ssl_ca": _AUTHORITY}
"""As PostgreSQL, and as MySQL and MariaDB name them."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One file and what counts in it: of a chain the first to expire, of those to trust the last.

    `use` is what the file is for, such as `bus`, `store` or `leicestershire/incident`, and ends in
    ` authority` where it holds whom to trust.
    """

    use: str
    file: Path
    subject: str
    not_after: dt.datetime

    def warning(self, now: dt.datetime | None = None) -> str | None:
        """What a person should do, within `WARN_DAYS` of its end and after it; else None."""
        now = now or dt.datetime.now(dt.UTC)
        if self.not_after - now > dt.timedelta(days=WARN_DAYS):
            return None
        when = "expired" if self.not_after <= now else "expires"
        return (
            f"the certificate '{self.subject}' for {self.use} in {self.file} {when} at"
            f" {self.not_after:%Y-%m-%d %H:%M} UTC; put a renewed one in its place, no restart is needed."
        )


def certificate_files(settings: Settings) -> list[tuple[str, Path]]:
    """Every file of certificates that the settings name, each with its use."""
    found: list[tuple[str, Path]] = []
    if settings.bus_url.startswith("kafka:"):
        options = parse_kafka_url(settings.bus_url).settings
        found += [(use, Path(options[name])) for name, use in _BUS_FILES.items() if name in options]
    server = settings.server
    of_server = {"server": server.certificate_file, "server" + _AUTHORITY: server.client_ca_file}
    found += [(use, file) for use, file in of_server.items() if file is not None]
    found += _of_database("store", settings.store_url)
    for force, domains in settings.sources.items():
        for domain, source in domains.items():
            found += _of_database(f"{force}/{domain}", source.location)
    return found


def certificates(settings: Settings) -> list[Certificate]:
    """Read them all; `ConfigurationError` names every file that holds none, one a line."""
    found, problems = _look(certificate_files(settings))
    if problems:
        raise ConfigurationError("\n".join(problems))
    return found


def read_certificate(use: str, file: Path) -> Certificate:
    """What counts in a PEM file; `ConfigurationError` where it holds no certificate."""
    from cryptography import x509  # large, and most processes of a trial use none

    try:
        held = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it holds no certificate in PEM form"
        raise ConfigurationError(f"the certificate for {use}, '{file}': {why}.") from error
    choose = max if use.endswith(_AUTHORITY) else min
    counts = choose(held, key=lambda each: each.not_valid_after_utc)
    return Certificate(use, file, counts.subject.rfc4514_string(), counts.not_valid_after_utc)


class CertificateWatch:
    """Keeps the metric of a process true, and warns once of each certificate, and of each file without."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        *,
        look_seconds: float = LOOK_SECONDS,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._files = certificate_files(settings)
        self._expires = metrics.certificate_expires
        self._look_seconds = look_seconds
        self._now = now
        self._told: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="certificates", daemon=True)

    def start(self) -> None:
        """Look once now, then from a thread of its own; none where no certificate is named."""
        if self._files:
            self.look()
            self._thread.start()

    def look(self) -> None:
        found, problems = _look(self._files)
        for each in found:
            self._expires.labels(each.use, str(each.file)).set(each.not_after.timestamp())
        told = {*problems, *(warning for each in found if (warning := each.warning(self._now())))}
        for message in sorted(told - self._told):
            log.warning("certificate", message=message)
        self._told = told

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._look_seconds):
            self.look()


def _look(files: Sequence[tuple[str, Path]]) -> tuple[list[Certificate], list[str]]:
    found: list[Certificate] = []
    problems: list[str] = []
    for use, file in files:
        try:
            found.append(read_certificate(use, file))
        except ConfigurationError as error:
            problems.append(str(error))
    return found, problems


def _of_database(use: str, url: str) -> Iterator[tuple[str, Path]]:
    for name, value in parse_qsl(urlsplit(url).query):
        if name in _DATABASE_FILES and value != "system":  # PostgreSQL's word for the system's own
            yield use + _DATABASE_FILES[name], Path(value)
