"""A store beside a Kafka that lost what the store has taken: neither restored there nor gone on with."""

import threading

import pytest

from hub.backup.restoring import put_back
from hub.backup.taking import take
from hub.bus import open_bus
from hub.bus.topics import apply, specs
from hub.errors import ConfigurationError, FatalError
from tests.kafka_broker import own_broker
from tests.view_bus import FORCES, stage
from tests.view_records import incident

pytestmark = [pytest.mark.long, pytest.mark.kafka]


@pytest.fixture
def brokers():
    """The hub's Kafka, and one made anew in its place."""
    started = [own_broker(), own_broker()]
    yield [f"kafka://{broker.address}" for broker in started]
    for broker in started:
        broker.stop()


def test_a_store_and_a_kafka_that_was_made_anew_do_not_meet(brokers, tmp_path):
    first, anew = brokers
    store_url, kept, elsewhere = f"sqlite:///{tmp_path}/view.db", tmp_path / "kept", tmp_path / "restored.db"
    with stage(first, store_url, partitions=1) as scene:
        scene.publish("incident", *(incident(str(number)) for number in range(10)))
        scene.settle(scene.view())
        taken = scene.view().reached()
    take(kept, bus_url=first, store_url=store_url)

    def restored():
        put_back(kept, bus_url=anew, store_url=f"sqlite:///{elsewhere}")

    with pytest.raises(
        FatalError, match=r"alliance\.incident\.v1-0 \(\d+, ends at 0\)\. Name the backup's own"
    ):
        restored()
    bus = open_bus(anew)
    apply(bus, specs(FORCES, partitions=1))
    bus.close()
    with pytest.raises(FatalError, match="topics there were lost"):
        restored()
    assert not elsewhere.exists(), "nothing is touched"

    with stage(anew, store_url, partitions=1) as scene:
        scene.publish("incident", *(incident(str(number), summary="another") for number in range(3)))
        with pytest.raises(ConfigurationError, match="start on an empty store"):
            scene.view().run(threading.Event())
        scene.publish("incident", *(incident(str(number), summary="another") for number in range(3, 50)))
        with pytest.raises(ConfigurationError, match="start on an empty store"):
            scene.settle(scene.view())  # it has outgrown the store
        assert scene.view().reached() == taken
        assert scene.query.get("incident", incident("1")["id"]).record["summary"] == ""
        scene.store.close()
    with stage(anew, f"sqlite:///{tmp_path}/empty.db", partitions=1) as scene:
        scene.settle(scene.view())
        assert scene.query.get("incident", incident("1")["id"]).record["summary"] == "another"
