"""A password that is replaced on disk is used at the next connection, without a restart."""

from contextlib import closing
from pathlib import Path

import kafka.errors as told  # noqa: TID251  # what a connection of kafka-python does with it
import pytest
from kafka.net.sasl import get_sasl_mechanism  # noqa: TID251

from hub.bus import open_bus
from hub.bus.contract import TopicSpec
from hub.bus.kafka_password import passwords_from_files
from hub.bus.kafka_url import parse_kafka_url
from hub.errors import TransientError
from tests.guarded.broker import ADMIN, guarded_in

URL = "kafka://host:9092?security_protocol=SASL_SSL&sasl_username=hub&sasl_password_file={}&sasl_mechanism={}"


def sent(address):
    """What a connection of kafka-python's would use: the password itself (PLAIN), or before it is hashed."""
    options = dict(address.settings)
    config = {
        "security_protocol": options["security_protocol"],
        "sasl_mechanism": options["sasl_mechanism"],
        "sasl_plain_username": options["sasl_plain_username"],
        "sasl_plain_password": options["sasl_plain_password"],
    }
    mechanism = get_sasl_mechanism(config["sasl_mechanism"])(host="host", **config)
    if config["sasl_mechanism"] == "PLAIN":
        return mechanism.auth_bytes().rpartition(b"\0")[2]
    return mechanism._scram_client.password


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_the_file_is_read_at_each_connection(tmp_path: Path, mechanism: str):
    passwords_from_files()
    file = tmp_path / "password"
    file.write_text("first\n", "utf-8")
    address = parse_kafka_url(URL.format(file, mechanism))
    assert sent(address) == b"first"
    file.write_text("second\r\n", "utf-8")
    assert sent(address) == b"second"
    file.unlink()
    with pytest.raises(told.KafkaConnectionError, match="cannot be read"):
        sent(address)
    assert issubclass(told.KafkaConnectionError, told.RetriableError), "it may be replaced just now"


@pytest.mark.kafka
@pytest.mark.long
def test_a_bus_that_is_open_goes_on_with_the_password_put_in_its_file(tmp_path: Path):
    with guarded_in(tmp_path) as guarded, closing(open_bus(guarded.password_url())) as bus:
        bus.create_topics([TopicSpec("topic", 1, "compact")])
        assert list(bus.read_all("topic")) == []
        guarded.set_password(ADMIN, "another")
        with pytest.raises(TransientError, match="refused the password"):
            list(bus.read_all("topic"))
        (guarded.folder / f"{ADMIN}.password").write_text("another", "utf-8")
        assert list(bus.read_all("topic")) == []
