"""TLS from files that may be replaced while the server runs.

Each new connection is answered with what the files hold then. Files that do not fit together, as while
they are being replaced, are told of once in the log and leave in use what was read last.
"""

import ssl
from pathlib import Path

import structlog

from hub.errors import ConfigurationError
from hub.serve.settings import ServerSettings

log = structlog.get_logger()

Marks = tuple[tuple[int, int, int], ...]


class Tls:
    """The server's side of TLS 1.2 and later; of 1.3 alone with client certificates.

    There sessions are never resumed: each connection shows its certificate anew, against the
    authorities of that moment. Python cannot keep 1.2 from resuming them. Raises `ConfigurationError`
    where the files cannot be used.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._files = tuple(
            file
            for file in (settings.certificate_file, settings.key_file, settings.client_ca_file)
            if file is not None
        )
        self._marks = _marks(self._files)
        self.context = self._load()
        self._current = self.context
        self.context.sni_callback = self._answer

    def _answer(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called by OpenSSL once a client has greeted, with a server name or without."""
        self._renew()
        if self._current is not self.context:
            connection.context = self._current

    def _renew(self) -> None:
        try:
            marks = _marks(self._files)
            if marks == self._marks:
                return
            self._marks = marks
            self._current = self._load()
        except ConfigurationError as error:
            log.error("certificates not renewed", message=str(error))
        else:
            log.info("certificates renewed")

    def _load(self) -> ssl.SSLContext:
        settings = self._settings
        assert settings.certificate_file is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(settings.certificate_file, settings.key_file, password=_no_password)
            if settings.client_ca_file is not None:
                context.load_verify_locations(settings.client_ca_file)
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
            names = ", ".join(f"'{file}'" for file in self._files)
            raise ConfigurationError(f"The server's TLS files {names} cannot be used: {why}.") from error
        if settings.client_ca_file is not None:
            required = settings.client_certificate_required
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        return context


def _no_password() -> str:
    """Asked for by OpenSSL where a key is encrypted; without this it would ask on the terminal."""
    raise ValueError("the key is encrypted; keep it unencrypted, readable by the server alone")


def _marks(files: tuple[Path, ...]) -> Marks:
    """What tells a replaced file from the one before; `ConfigurationError` where one is not there."""
    try:
        found = [file.stat() for file in files]
    except OSError as error:
        raise ConfigurationError(f"The server's TLS file '{error.filename}': {error.strerror}.") from error
    return tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in found)
