"""Certificates that come to their end are told of before they do, and renewed ones without a restart."""

import json

import pytest
from prometheus_client import generate_latest

from hub import logs
from hub.certificates import CertificateWatch, certificates
from hub.config import Settings, SourceSettings
from hub.errors import ConfigurationError
from hub.metrics import Metrics
from tests.guarded.authority import Authority


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def settings_of(authority, pair, **more):
    bus = f"kafka://127.0.0.1:9092?security_protocol=SSL&ssl_cafile={authority.certificate}"
    return Settings(bus=f"{bus}&ssl_certfile={pair.certificate}&ssl_keyfile={pair.key}", **more)


def warnings(capsys) -> list[str]:
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [each["message"] for each in told if each["event"] == "certificate"]


def expiries(metrics: Metrics) -> dict[str, float]:
    samples = [sample for metric in metrics.registry.collect() for sample in metric.samples]
    name = "alliance_hub_certificate_expires_timestamp_seconds"
    return {sample.labels["use"]: sample.value for sample in samples if sample.name == name}


def test_every_certificate_that_the_settings_name_is_found_with_its_use(authority, tmp_path):
    mine, base = authority.issue("hub"), authority.issue("base", days=10)
    settings = settings_of(
        authority,
        mine,
        server={"certificate_file": mine.certificate, "key_file": mine.key},
        store=f"postgresql://hub@db/alliance?sslrootcert={authority.certificate}&sslcert={base.certificate}",
        sources={
            "leicestershire": {
                "incident": SourceSettings(location=f"mysql://reader@old/command?ssl_ca={base.certificate}")
            }
        },
    )
    found = {each.use: each for each in certificates(settings)}
    assert found.keys() == {
        "bus",
        "bus authority",
        "server",
        "store",
        "store authority",
        "leicestershire/incident authority",
    }
    assert found["bus"].subject == "CN=hub"
    assert [use for use, each in found.items() if each.warning()] == [
        "store",
        "leicestershire/incident authority",
    ]


def test_of_a_chain_the_first_to_expire_counts_and_of_those_to_trust_the_last(authority, tmp_path):
    mine, older = authority.issue("hub", days=90), authority.issue("older", days=5)
    chain = mine.certificate.read_bytes() + older.certificate.read_bytes()
    mine.certificate.write_bytes(chain)
    authority.certificate.write_bytes(older.certificate.read_bytes() + authority.certificate.read_bytes())
    found = {each.use: each.subject for each in certificates(settings_of(authority, mine))}
    assert found == {"bus": "CN=older", "bus authority": "CN=authority"}


def test_a_file_without_a_certificate_is_named_with_its_use(authority):
    mine = authority.issue("hub")
    mine.certificate.write_text("nothing")
    with pytest.raises(ConfigurationError, match=rf"for bus, '{mine.certificate}': it holds no certificate"):
        certificates(settings_of(authority, mine))


def test_an_end_within_thirty_days_is_warned_of_once_and_a_renewal_ends_that(authority, capsys):
    logs.configure("json")
    metrics = Metrics()
    mine = authority.issue("hub", days=29)
    watch = CertificateWatch(settings_of(authority, mine), metrics)
    watch.look()
    watch.look()
    [warning] = warnings(capsys)
    assert f"the certificate 'CN=hub' for bus in {mine.certificate} expires at" in warning
    soon = expiries(metrics)["bus"]

    authority.issue("hub", days=31)
    watch.look()
    assert warnings(capsys) == []
    assert expiries(metrics)["bus"] - soon > 86_400

    authority.issue("hub", days=-1)
    watch.look()
    assert " expired at " in warnings(capsys)[0]
    mine.certificate.unlink()
    watch.look()
    assert "No such file" in warnings(capsys)[0]
    assert f'file="{mine.certificate}"' in generate_latest(metrics.registry).decode()
