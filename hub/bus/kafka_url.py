"""The address of a Kafka bus: `kafka://host:9092,host:9092?option=value`.

security_protocol    PLAINTEXT (default), SSL, SASL_PLAINTEXT or SASL_SSL
sasl_mechanism       PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
sasl_username        sasl_password_file    holds the password alone; read at each connection
ssl_cafile           whom to trust, if not whom the system trusts
ssl_certfile         ssl_keyfile           our own certificate (mutual TLS), PEM
ssl_password_file    the password of the key file
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from hub.errors import ConfigurationError

_CHOICES = {
    "security_protocol": ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    "sasl_mechanism": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
}
_PLAIN = ("sasl_username",)
_FILES = ("ssl_cafile", "ssl_certfile", "ssl_keyfile")
_SECRET_FILES = ("sasl_password_file", "ssl_password_file")
_OPTIONS = (*_CHOICES, *_PLAIN, *_FILES, *_SECRET_FILES)

_KAFKA_NAMES = {
    "sasl_username": "sasl_plain_username",
    "sasl_password_file": "sasl_plain_password",
    "ssl_password_file": "ssl_password",
}
_SERVER = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")


@dataclass(frozen=True, slots=True, repr=False)
class KafkaAddress:
    """Where the brokers are and how to talk to them. `url` holds no secret; `settings` may."""

    url: str
    servers: tuple[str, ...]
    settings: Mapping[str, str | Path]

    def __str__(self) -> str:
        return ",".join(self.servers)

    __repr__ = __str__


def parse_kafka_url(url: str) -> KafkaAddress:
    """Read the URL; a `ConfigurationError` lists everything that is wrong with it."""
    place, _, query = url.removeprefix("kafka://").partition("?")
    authority, _, path = place.partition("/")
    netloc = authority.rpartition("@")[2]
    options = dict(parse_qsl(query, keep_blank_values=True))
    known = {name: value for name, value in options.items() if name in _OPTIONS}
    problems = [*_server_problems(authority, path), *_option_problems(options)]
    if problems:
        raise ConfigurationError("\n".join(f"bus kafka://{netloc}: {problem}" for problem in problems))
    # `known` names files, never what is in them, so it may be shown.
    shown = f"kafka://{netloc}" + (f"?{urlencode(known, safe='/')}" if known else "")
    settings = {_KAFKA_NAMES.get(name, name): _read(name, value) for name, value in known.items()}
    return KafkaAddress(shown, tuple(netloc.split(",")), settings)


def read_secret(file: Path) -> str:
    """What the file holds, but for the end of its line."""
    return file.read_text("utf-8").strip("\r\n")


def _server_problems(authority: str, path: str) -> Iterator[str]:
    if "@" in authority:
        yield "a user and password do not belong here; use sasl_username and sasl_password_file."
    for server in authority.rpartition("@")[2].split(","):
        if not _SERVER.fullmatch(server):
            yield f"'{server}' is not host:port; write kafka://host:9092,host:9092."
    if path:
        yield f"the path '/{path}' means nothing here; remove it."


def _option_problems(options: Mapping[str, str]) -> Iterator[str]:
    for name, value in options.items():
        if name not in _OPTIONS:
            near = difflib.get_close_matches(name, _OPTIONS, n=1)
            meant = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(_OPTIONS)}."
            yield f"unknown option '{name}'; {meant}"
        elif name in _CHOICES and value not in _CHOICES[name]:
            yield f"{name} '{value}' is none of {', '.join(_CHOICES[name])}."
        elif name in (*_FILES, *_SECRET_FILES) and not Path(value).is_file():
            yield f"{name} '{value}' is not a file; write its whole path."
        elif not value:
            yield f"{name} is empty."
    yield from _combination_problems(options)


def _combination_problems(options: Mapping[str, str]) -> Iterator[str]:
    protocol = options.get("security_protocol", "PLAINTEXT")
    for family, wanted in (("sasl_", "SASL_"), ("ssl_", "SSL")):
        given = [name for name in options if name.startswith(family) and name in _OPTIONS]
        if given and wanted not in protocol:
            yield f"{given[0]} has no effect with security_protocol {protocol}."
    if protocol.startswith("SASL_"):
        for name in ("sasl_mechanism", "sasl_username", "sasl_password_file"):
            if name not in options:
                yield f"security_protocol {protocol} needs {name}."
    if "ssl_certfile" in options and "ssl_keyfile" not in options:
        yield "ssl_certfile needs ssl_keyfile."


def _read(name: str, value: str) -> str | Path:
    """The value itself, or what the file of a secret holds: of a password the file, once it can be read."""
    if name not in _SECRET_FILES:
        return value
    try:
        secret = read_secret(Path(value))
        return Path(value) if name == "sasl_password_file" else secret
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name} '{value}' cannot be read: {error}.") from error
