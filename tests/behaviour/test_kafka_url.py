"""What may stand in the URL of a Kafka bus, and what is said about the rest."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.bus import open_bus
from hub.errors import ConfigurationError


def problems(url: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        open_bus(url)
    return str(raised.value).splitlines()


def test_several_brokers_are_taken_and_nothing_connects_yet():
    bus = open_bus("kafka://one:9092,two.example.org:9093,[::1]:9094")
    assert bus.url == "kafka://one:9092,two.example.org:9093,[::1]:9094"


def test_a_bus_shows_which_files_hold_its_secrets_and_never_what_is_in_them(tmp_path):
    (tmp_path / "password").write_text("hunter2\n")
    bus = open_bus(
        "kafka://host:9092?security_protocol=SASL_PLAINTEXT&sasl_mechanism=SCRAM-SHA-512"
        f"&sasl_username=hub&sasl_password_file={tmp_path}/password"
    )
    assert f"sasl_password_file={tmp_path}/password" in bus.url
    assert "hunter2" not in bus.url + repr(bus) + repr(vars(bus))


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("host", "'host' is not host:port"),
        ("", "'' is not host:port"),
        ("host:9092/topic", "the path '/topic' means nothing here"),
        (
            "host:9092?security_protokol=SSL",
            "unknown option 'security_protokol'; did you mean 'security_protocol'?",
        ),
        ("host:9092?sasl_password=x", "unknown option 'sasl_password'; did you mean 'sasl_password_file'?"),
        ("host:9092?zzz=x", "unknown option 'zzz'; known are security_protocol"),
        ("host:9092?security_protocol=TLS", "security_protocol 'TLS' is none of PLAINTEXT, SSL"),
        ("host:9092?security_protocol=SSL&ssl_cafile=/no/such", "ssl_cafile '/no/such' is not a file"),
        ("host:9092?sasl_username=hub", "sasl_username has no effect with security_protocol PLAINTEXT"),
        ("host:9092?security_protocol=SASL_SSL", "security_protocol SASL_SSL needs sasl_password_file"),
    ],
)
def test_a_wrong_url_is_told_with_the_remedy(rest, said):
    assert any(said in problem for problem in problems(f"kafka://{rest}"))


def test_all_that_is_wrong_is_told_at_once_and_a_password_in_the_url_is_not_repeated():
    told = problems("kafka://hub:hunter2@host?sasl_mechanism=MD5&sasl_pasword=hunter2")
    assert len(told) >= 4
    assert all("hunter2" not in problem for problem in told)


@given(st.text())
def test_any_text_after_the_scheme_is_a_bus_or_a_configuration_error(text):
    with contextlib.suppress(ConfigurationError):
        open_bus(f"kafka://{text}").close()
