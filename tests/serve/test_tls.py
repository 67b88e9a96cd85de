"""The server under TLS, with client certificates, and certificates replaced while it runs."""

import contextlib
import datetime as dt
import ssl
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hub.certificates import certificates
from hub.errors import ConfigurationError
from hub.serve.clients import Clients
from hub.serve.settings import LimitSettings, ServerSettings
from tests.behaviour.server import running, write_tokens
from tests.guarded.authority import Authority
from tests.serve.wire import connect, told

CLIENTS = """
[[clients]]
name = "feed"
subject = "CN=feed"
roles = { "*" = ["incident_reader"] }

[[clients]]
name = "people"
subject = "CN=people"
roles = { leicestershire = ["staff_reader"] }
"""
FRESHNESS, INCIDENTS = "/freshness", "/incidents"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "clients")


@contextlib.contextmanager
def under_tls(folder, authority, *, tokens=True, clients=CLIENTS, limits=None, **more):
    pair = authority.issue("server")
    known = {}
    if clients:
        (folder / "clients.toml").write_text(clients)
        known = {"client_ca_file": authority.certificate, "clients_file": folder / "clients.toml"}
    server = ServerSettings(certificate_file=pair.certificate, key_file=pair.key, **known, **more)
    settings = {"tokens_file": write_tokens(folder)} if tokens else {}
    with running(folder, server=server, limits=limits or LimitSettings(), **settings) as made:
        yield made


def asked(server, authority, path=FRESHNESS, *, pair=None, token=None, trusted=None):
    context = ssl.create_default_context(cafile=trusted or authority.certificate)
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(verify=context, headers=headers, timeout=60) as client:
        return client.get(server.address + path)


def shown(server):
    """The certificate that the server shows to a new connection."""
    where = urlsplit(server.address)
    pem = ssl.get_server_certificate((where.hostname, where.port), timeout=60)
    return x509.load_pem_x509_certificate(pem.encode())


def test_over_tls_tokens_are_taken_and_browsers_are_told_to_come_by_tls_alone(tmp_path, authority):
    with under_tls(tmp_path, authority) as server:
        assert server.address.startswith("https://")
        answer = asked(server, authority, token="everyone")
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert asked(server, authority).status_code == 401


def test_without_tls_nothing_is_answered_on_a_port_of_tls(tmp_path, authority):
    with under_tls(tmp_path, authority) as server, connect(server.address) as plain:
        plain.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"HTTP" not in told(plain)


def test_a_client_certificate_stands_for_its_holder_and_their_roles(tmp_path, authority):
    feed, people = authority.issue("feed"), authority.issue("people")
    with under_tls(tmp_path, authority, tokens=False) as server:
        assert asked(server, authority, INCIDENTS, pair=feed).status_code == 200
        assert asked(server, authority, "/staff", pair=feed).status_code == 403
        assert asked(server, authority, INCIDENTS, pair=people).status_code == 403
        assert asked(server, authority, "/staff", pair=people).status_code == 200
        assert asked(server, authority, INCIDENTS).status_code == 401
        assert asked(server, authority, "/livez").status_code == 200


def test_a_genuine_certificate_that_nobody_is_known_by_is_nobody(tmp_path, authority):
    with under_tls(tmp_path, authority) as server:
        assert asked(server, authority, pair=authority.issue("stranger")).status_code == 401


def test_a_wrong_token_does_not_fall_back_on_the_certificate(tmp_path, authority):
    feed = authority.issue("feed")
    with under_tls(tmp_path, authority) as server:
        assert asked(server, authority, pair=feed, token="made-up").status_code == 401
        assert asked(server, authority, "/staff", pair=feed, token="everyone").status_code == 200


@pytest.mark.parametrize("what", ["another authority", "expired"])
def test_a_certificate_that_does_not_hold_is_cut_in_the_handshake(tmp_path, authority, what):
    other = tmp_path / "other"
    other.mkdir()
    forged = (
        Authority(other).issue("feed") if what == "another authority" else authority.issue("feed", days=-1)
    )
    with under_tls(tmp_path, authority) as server, pytest.raises(httpx.TransportError):
        asked(server, authority, pair=forged, token="everyone")


def test_a_client_certificate_can_be_required_of_every_connection(tmp_path, authority):
    with under_tls(tmp_path, authority, client_certificate_required=True) as server:
        with pytest.raises(httpx.TransportError):
            asked(server, authority, "/livez", token="everyone")
        assert asked(server, authority, "/livez", pair=authority.issue("feed")).status_code == 200


def test_a_certificate_renewed_on_disk_is_shown_to_the_next_connection(tmp_path, authority):
    with under_tls(tmp_path, authority) as server:
        before = shown(server).serial_number
        assert shown(server).serial_number == before
        renewed = x509.load_pem_x509_certificate(authority.issue("server").certificate.read_bytes())
        assert renewed.serial_number != before
        assert shown(server).serial_number == renewed.serial_number
        assert asked(server, authority, token="everyone").status_code == 200


def test_a_certificate_without_its_key_leaves_the_one_before_in_use(tmp_path, authority):
    with under_tls(tmp_path, authority) as server:
        before = shown(server)
        file = server.process.settings.server.certificate_file
        kept = file.read_bytes()
        file.write_bytes(b"half of one")
        assert shown(server) == before
        file.unlink()
        assert shown(server) == before
        file.write_bytes(kept)
        assert shown(server) == before
        renewed = authority.issue("server")
        assert shown(server).public_bytes(Encoding.PEM) == renewed.certificate.read_bytes()


def test_authorities_replaced_on_disk_decide_over_the_next_client(tmp_path, authority):
    other = tmp_path / "other"
    other.mkdir()
    newer = Authority(other)
    old, new = authority.issue("feed"), newer.issue("feed")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.certificate.read_bytes())
    with under_tls(tmp_path, authority) as server:
        assert asked(server, authority, pair=old, trusted=trusted).status_code == 200
        authority.certificate.write_bytes(newer.certificate.read_bytes())
        assert asked(server, authority, pair=new, trusted=trusted).status_code == 200
        with pytest.raises(httpx.TransportError):
            asked(server, authority, pair=old, trusted=trusted)


def greeted(server, context, session=None):
    """Whether the session was resumed, and the session to resume."""
    with context.wrap_socket(connect(server.address), server_hostname="127.0.0.1", session=session) as made:
        made.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert b" 200 OK" in told(made)
        return made.session_reused, made.session


def test_with_client_certificates_no_session_is_resumed_past_what_the_files_say(tmp_path, authority):
    context = ssl.create_default_context(cafile=authority.certificate)
    with under_tls(tmp_path, authority) as server:
        _, session = greeted(server, context)
        assert not greeted(server, context, session)[0]
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            greeted(server, context)


def test_without_client_certificates_tls_1_2_is_spoken_too(tmp_path, authority):
    context = ssl.create_default_context(cafile=authority.certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with under_tls(tmp_path, authority, clients=None) as server:
        assert greeted(server, context)[1] is not None


def test_a_handshake_that_does_not_come_is_cut(tmp_path, authority):
    with (
        under_tls(tmp_path, authority, limits=LimitSettings(handshake_seconds=1)) as server,
        connect(server.address) as silent,
    ):
        assert told(silent) == b""


def test_the_metrics_port_speaks_no_tls(tmp_path, authority):
    with under_tls(tmp_path, authority, metrics_port=0) as server:
        assert httpx.get(f"{server.process.listeners[1].address}/metrics").status_code == 200


def test_the_certificates_of_the_server_are_among_those_whose_end_is_told(tmp_path, authority):
    with under_tls(tmp_path, authority) as server:
        uses = [each.use for each in certificates(server.process.settings)]
        assert uses == ["server", "server authority"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"key_file": "key.pem"}, "set together"),
        ({"client_ca_file": "ca.pem", "clients_file": "clients.toml"}, "needs certificate_file"),
        ({"certificate_file": "a", "key_file": "b", "client_ca_file": "c"}, "set together"),
        ({"client_certificate_required": True}, "needs client_ca_file"),
        ({"certificate_file": "a", "key_file": "b", "plain_http": True}, "without certificate_file"),
    ],
)
def test_half_a_guard_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        ServerSettings(**settings)


@pytest.mark.parametrize("change", [b"", None])
def test_files_that_cannot_be_used_stop_the_start(tmp_path, authority, change):
    pair = authority.issue("server")
    settings = ServerSettings(certificate_file=pair.certificate, key_file=pair.key)
    pair.key.unlink() if change is None else pair.key.write_bytes(change)
    with (
        pytest.raises(ConfigurationError, match=r"server\.key\.pem"),
        running(tmp_path, server=settings, tokens_file=write_tokens(tmp_path)),
    ):
        pass


def test_an_encrypted_key_stops_the_start_and_asks_nobody(tmp_path, authority):
    pair = authority.issue("server", password="secret")
    settings = ServerSettings(certificate_file=pair.certificate, key_file=pair.key)
    with pytest.raises(ConfigurationError, match="the key is encrypted"), running(tmp_path, server=settings):
        pass


def certified(authority, name):
    pem = authority.issue(name).certificate.read_bytes()
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def clients_of(folder, text):
    file = folder / "clients.toml"
    file.write_text(text)
    return Clients(file)


BY_ADDRESS = """
[[clients]]
name = "here"
san = "IP Address:127.0.0.1"
roles = { "*" = ["analyst"] }
"""


def test_a_holder_is_known_by_an_alternative_name(tmp_path, authority):
    found = clients_of(tmp_path, BY_ADDRESS).principal(certified(authority, "any"), dt.date(2026, 1, 1))
    assert found is not None
    assert found.name == "here"


def test_a_certificate_that_could_be_of_two_holders_is_of_none(tmp_path, authority):
    clients = clients_of(tmp_path, BY_ADDRESS + CLIENTS)
    assert clients.principal(certified(authority, "feed"), dt.date(2026, 1, 1)) is None


def test_an_entry_that_has_expired_is_nobody(tmp_path, authority):
    clients = clients_of(tmp_path, BY_ADDRESS + "expires = 2026-01-31\n")
    assert clients.principal(certified(authority, "any"), dt.date(2026, 1, 31)) is not None
    assert clients.principal(certified(authority, "any"), dt.date(2026, 2, 1)) is None


@pytest.mark.parametrize("subject", ["CN=fee", "CN=feed,O=Leicestershire", "O=feed"])
def test_a_part_of_a_subject_is_not_enough(tmp_path, authority, subject):
    clients = clients_of(tmp_path, CLIENTS.replace("CN=feed", subject))
    assert clients.principal(certified(authority, "feed"), dt.date(2026, 1, 1)) is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('name = "a"\nroles = {}', "give subject or san"),
        ('name = "a"\nroles = {}\nsan = "feed"', "san is one of DNS:"),
        ('name = "a"\nroles = {}\nsubject = "feed"', "'feed' is no subject"),
        ('name = "a"\nroles = { "*" = ["king"] }\nsubject = "CN=a"', "unknown role 'king'"),
        ('name = "a"\nroles = {}\nsubject = "CN=a"\nsecret = "x"', "secret"),
    ],
)
def test_every_problem_of_the_clients_file_is_told(tmp_path, entry, words):
    with pytest.raises(ConfigurationError, match=words):
        clients_of(tmp_path, f"[[clients]]\n{entry}\n")
