"""Certificates for tests: an authority, and what it signs for names at 127.0.0.1."""

import datetime as dt
import ipaddress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8


class Pair(NamedTuple):
    """A certificate and its key, each in a file."""

    certificate: Path
    key: Path

    @property
    def both(self) -> Path:
        """Key and certificate in one file, as Kafka's own PEM key store takes them."""
        file = self.key.with_suffix(".both.pem")
        file.write_bytes(self.key.read_bytes() + self.certificate.read_bytes())
        return file


class Authority:
    """Signs certificates, and is trusted by the file `certificate`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self.certificate = folder / f"{name}.pem"
        self._name = _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        signed = _building(self._name, self._name, self._key, days=3650).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.certificate.write_bytes(signed.sign(self._key, hashes.SHA256()).public_bytes(PEM))

    def issue(self, name: str, *, days: float = 365, password: str | None = None) -> Pair:
        """Sign a certificate for a name; one issued before to that name is replaced on the disk."""
        key = ec.generate_private_key(ec.SECP256R1())
        building = _building(_named(name), self._name, key, days=days).add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        kept = (
            serialization.BestAvailableEncryption(password.encode())
            if password
            else serialization.NoEncryption()
        )
        pair = Pair(self.folder / f"{name}.cert.pem", self.folder / f"{name}.key.pem")
        pair.certificate.write_bytes(building.sign(self._key, hashes.SHA256()).public_bytes(PEM))
        pair.key.write_bytes(key.private_bytes(PEM, PKCS8, kept))
        return pair


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _building(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: float
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + dt.timedelta(days=days)) - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days))
    )
