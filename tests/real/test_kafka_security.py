"""A broker that asks who is there: TLS both ways and a password, all given as options of the URL."""

import datetime as dt
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hub.bus import open_bus
from hub.bus.contract import TopicSpec
from hub.errors import TransientError
from tests.contract.places import send, values
from tests.guarded.broker import guarded_in
from tests.kafka_broker import own_broker
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("_refused_sockets")]

PASSWORD = "only-for-this-test"
USERS = f"""org.apache.kafka.common.security.plain.PlainLoginModule required \\
 username="hub" password="{PASSWORD}" user_hub="{PASSWORD}";"""


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """One key for both sides, trusted by both: a certificate for 127.0.0.1 signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kafka-security")
    cert, key = make_certificate(folder)
    (folder / "both.pem").write_bytes(key.read_bytes() + cert.read_bytes())
    broker = own_broker(
        settings={
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_SSL",
            "sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.plaintext.plain.sasl.jaas.config": USERS,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(folder / "both.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(cert),
            "ssl.client.auth": "required",
        }
    )
    yield broker.address, cert, key
    broker.kill()


def url(guarded, password_file: Path) -> str:
    address, cert, key = guarded
    return (
        f"kafka://{address}?security_protocol=SASL_SSL&sasl_mechanism=PLAIN&sasl_username=hub"
        f"&sasl_password_file={password_file}&ssl_cafile={cert}&ssl_certfile={cert}&ssl_keyfile={key}"
    )


def test_with_its_certificate_and_password_the_hub_writes_and_reads(guarded, tmp_path):
    (tmp_path / "password").write_text(PASSWORD + "\n")
    bus = open_bus(url(guarded, tmp_path / "password"))
    bus.create_topics([TopicSpec("guarded", 1, "delete")])
    send(bus, "guarded", [b"1"])
    assert values(list(bus.read_all("guarded"))) == [b"1"]
    assert PASSWORD not in bus.url
    assert PASSWORD not in repr(vars(bus))
    bus.close()


def test_a_wrong_password_is_told_as_a_possible_reason_and_not_shown(guarded, tmp_path, monkeypatch):
    monkeypatch.setattr("hub.bus.kafka_connect.START_MS", 2000)
    (tmp_path / "password").write_text("a wrong secret")
    bus = open_bus(url(guarded, tmp_path / "password"))
    with pytest.raises(TransientError, match="may also have refused the password") as raised:
        bus.producer("writer")
    assert "a wrong secret" not in str(raised.value)
    bus.close()


def test_a_server_that_is_not_trusted_is_refused_with_the_reason(guarded, tmp_path, monkeypatch):
    monkeypatch.setattr("hub.bus.kafka_connect.START_MS", 2000)
    (tmp_path / "password").write_text(PASSWORD)
    address, *_ = guarded
    bus = open_bus(
        f"kafka://{address}?security_protocol=SASL_SSL&sasl_mechanism=PLAIN&sasl_username=hub"
        f"&sasl_password_file={tmp_path / 'password'}"
    )
    with pytest.raises(TransientError, match="certificate verify failed"):
        bus.producer("writer")
    bus.close()


@pytest.mark.long
def test_a_certificate_renewed_on_disk_is_used_at_the_next_connection(tmp_path, monkeypatch):
    with guarded_in(tmp_path) as guarded:
        url = guarded.certificate_url("renewed")
        guarded.authority.issue("renewed", days=-1)
        bus = open_bus(url)
        with monkeypatch.context() as impatient:
            impatient.setattr("hub.bus.kafka_connect.START_MS", 2000)
            with pytest.raises(TransientError, match="refused the password or the certificate"):
                bus.describe_topics()
        guarded.authority.issue("renewed")
        wait_until(lambda: bus.describe_topics() == {})
        bus.close()
