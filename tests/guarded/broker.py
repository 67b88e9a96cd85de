"""A guarded broker for tests: a password or a certificate for everybody, and rights for nobody but the admin.

Two ways in: SASL_SSL with SCRAM-SHA-512, and mutual TLS. On both the principal is the name alone,
`User:hub-view`, so that one set of access lists holds for both.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kafka import KafkaAdminClient  # noqa: TID251  # an operator's own tool, to make users
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion  # noqa: TID251

from deploy.kafka.broker import Broker, free_port, listens
from hub.bus.kafka_connect import connect
from hub.bus.kafka_url import parse_kafka_url
from tests.guarded.authority import Authority
from tests.kafka_broker import own_broker
from tests.waiting import wait_until

ADMIN = "admin"
"""May do everything, as the broker itself."""

WAYS = {"SASL_SSL": "password_url", "mutual TLS": "certificate_url"}


class Guarded:
    """The broker, the authority that all trust, and what its users need to get in."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.folder = folder
        self._admin = self.authority.issue(ADMIN)
        self._users: set[str] = set()
        self._certified: set[str] = {ADMIN}
        ports = [free_port() for _ in range(3)]
        self._by_password, self._by_certificate = (f"127.0.0.1:{port}" for port in ports[:2])
        both = self.authority.issue("broker").both
        self.broker: Broker = own_broker(settings=_settings(ports, both, self.authority), port=ports[0])
        wait_until(lambda: listens(ports[1]))

    def password_url(self, user: str = ADMIN, password: str | None = None) -> str:
        """The bus over SASL_SSL; makes the user when first asked for."""
        file = self.folder / f"{user}.password"
        if user not in self._users:
            file.write_text(password or f"the password of {user}", "utf-8")
            self.set_password(user, file.read_text("utf-8"))
            self._users.add(user)
        options = {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": user,
            "sasl_password_file": file,
            "ssl_cafile": self.authority.certificate,
        }
        return f"kafka://{self._by_password}?{urlencode(options, safe='/')}"

    def certificate_url(self, user: str = ADMIN) -> str:
        """The bus over mutual TLS; issues the user's certificate when first asked for."""
        if user not in self._certified:
            self.authority.issue(user)
            self._certified.add(user)
        options = {
            "security_protocol": "SSL",
            "ssl_cafile": self.authority.certificate,
            "ssl_certfile": self.folder / f"{user}.cert.pem",
            "ssl_keyfile": self.folder / f"{user}.key.pem",
        }
        return f"kafka://{self._by_certificate}?{urlencode(options, safe='/')}"

    def url(self, way: str, user: str = ADMIN) -> str:
        """The bus by one of the `WAYS`."""
        return str(getattr(self, WAYS[way])(user))

    def tool_settings(self) -> tuple[str, Path]:
        """Where Kafka's own tools find the broker, and the file with which they are the admin."""
        file = self.folder / "tool.properties"
        lines = {
            "security.protocol": "SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._admin.both,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority.certificate,
        }
        file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()), "utf-8")
        return self._by_certificate, file

    def set_password(self, user: str, password: str) -> None:
        """Make the user, or give it another password."""
        with self._client(self.certificate_url()) as client:
            wanted = UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_512, password)
            assert client.alter_user_scram_credentials([wanted]) == {user: None}
            wait_until(lambda: user in client.describe_user_scram_credentials())

    @contextmanager
    def _client(self, url: str) -> Iterator[Any]:
        client = connect(KafkaAdminClient, parse_kafka_url(url))
        try:
            yield client
        finally:
            client.close()


def _settings(ports: list[int], both: Path, authority: Authority) -> dict[str, str]:
    by_password, by_certificate, controller = (f"127.0.0.1:{port}" for port in ports)
    clients = f"SCRAM://{by_password},MUTUAL://{by_certificate}"
    return {
        "listeners": f"{clients},CONTROLLER://{controller}",
        "advertised.listeners": clients,
        "controller.quorum.voters": f"1@{controller}",
        "inter.broker.listener.name": "MUTUAL",
        "listener.security.protocol.map": "CONTROLLER:SSL,SCRAM:SASL_SSL,MUTUAL:SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.scram.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.controller.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.certificate),
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]+)$/$1/,DEFAULT",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:broker;User:{ADMIN}",
    }


@contextmanager
def guarded_in(folder: Path) -> Iterator[Guarded]:
    """A guarded broker for so long."""
    guarded = Guarded(folder)
    try:
        yield guarded
    finally:
        guarded.broker.kill()
