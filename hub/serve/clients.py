"""Who holds which client certificate: a TOML file like that of the tokens.

    [[clients]]
    name = "leicester-feed"
    force = "leicestershire"
    subject = "CN=feed,O=Leicestershire Police"      # the whole subject, as RFC 4514 writes it
    roles = { leicestershire = ["incident_reader"] }

    [[clients]]
    name = "dashboards"
    san = "URI:spiffe://alliance/dashboards"         # or DNS:…, email:…, IP Address:…
    roles = { "*" = ["analyst"] }
    expires = 2027-01-31

That a certificate is genuine, and of whom, TLS has seen to. Taking an entry out shuts its holder out
before the certificate expires.
"""

import datetime as dt
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import model_validator

from hub.access import Principal
from hub.holders import Holder, HoldersFile

_KINDS = ("DNS", "URI", "email", "IP Address")


class _Client(Holder):
    subject: str = ""
    san: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.subject) == bool(self.san):
            raise ValueError("give subject or san, one of them")
        if self.subject:
            _ = self._name
        elif self.san.partition(":")[0] not in _KINDS or not self.san.partition(":")[2]:
            raise ValueError(f"san is one of {', '.join(f'{kind}:…' for kind in _KINDS)}")
        return self

    @property
    def known_by(self) -> str:
        return self.subject or self.san

    def holds(self, subject: object, sans: set[str]) -> bool:
        """Whether a certificate of these names is this holder's."""
        return self._name == subject if self.subject else self.san in sans

    @cached_property
    def _name(self) -> object:
        return _subject(self.subject)


class Clients:
    """The holders of client certificates. Their file is a `HoldersFile`, with its promises."""

    def __init__(self, file: Path) -> None:
        self._file = HoldersFile(file, "clients", _Client)

    def principal(self, certificate: bytes, today: dt.date) -> Principal | None:
        """Who holds this verified certificate (DER); None where nobody does, or more than one might."""
        subject, sans = _names(certificate)
        found = [entry for entry in self._file.entries() if entry.holds(subject, sans)]
        return found[0].principal(today) if len(found) == 1 else None


def _subject(text: str) -> object:
    from cryptography import x509  # large, and most servers of a trial use none

    try:
        return x509.Name.from_rfc4514_string(text)
    except ValueError:
        raise ValueError(f"'{text}' is no subject such as CN=feed,O=Leicestershire Police") from None


def _names(certificate: bytes) -> tuple[object, set[str]]:
    from cryptography import x509

    held = x509.load_der_x509_certificate(certificate)
    try:
        names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return held.subject, set()
    found = {f"DNS:{name}" for name in names.get_values_for_type(x509.DNSName)}
    found |= {f"URI:{name}" for name in names.get_values_for_type(x509.UniformResourceIdentifier)}
    found |= {f"email:{name}" for name in names.get_values_for_type(x509.RFC822Name)}
    found |= {f"IP Address:{name}" for name in names.get_values_for_type(x509.IPAddress)}
    return held.subject, found
