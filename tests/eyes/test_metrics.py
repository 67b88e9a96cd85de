"""What the alert rules rest on arises where it should, and goes when it is over."""

import math
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from hub.audit import AuditLog, Entry
from hub.bus import open_bus
from hub.bus.topics import AUDIT_TOPIC, apply, specs
from hub.cli.app import app
from hub.config import load_settings
from hub.disk import kept_in, tell_disks
from hub.errors import ConfigurationError, SourceChangedError
from hub.metrics import Metrics
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from tests.behaviour.server import running
from tests.connecting import Bench, Running, batch, row
from tests.keeping import Kept, Played
from tests.legacy import builtin_forces
from tests.waiting import wait_until


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


def snapshot(name, *numbers):
    rows = [row(number) for number in numbers]
    return batch(*rows, snapshot=name, snapshot_ends=True)


def test_a_process_tells_of_its_disks_its_clock_and_itself(tmp_path):
    before = time.time()
    with running(tmp_path) as server:
        page = server.get("/metrics").text
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    for use in ("bus", "store", "temporary"):
        free = found["alliance_hub_disk_free_bytes", use]
        assert 0 < free <= found["alliance_hub_disk_size_bytes", use]
    assert before <= found["alliance_hub_clock_timestamp_seconds",] <= time.time()
    assert found["process_start_time_seconds",] <= time.time()
    assert found["process_resident_memory_bytes",] > 0
    assert found["alliance_hub_audit_entries_total", "failed"] == 0


def test_a_disk_is_told_of_where_files_are_kept_and_nowhere_else(tmp_path):
    def uses(**given):
        return {use: str(path) for use, path in kept_in(load_settings(environ={}, **given)).items()}

    files = uses(state=tmp_path, bus="embedded:///a/bus.db?limit_mb=9", store="sqlite:////b/view.db")
    assert (files["bus"], files["store"]) == ("/a", "/b")
    assert set(uses(state=tmp_path)) == {"bus", "store", "temporary"}
    assert set(uses(bus="kafka://broker:9092", store="postgresql://hub@db/alliance")) == {"temporary"}


def test_a_folder_that_is_still_to_be_made_is_told_by_the_disk_it_will_be_on(tmp_path):
    metrics = Metrics()
    tell_disks(metrics, {"bus": tmp_path / "not" / "yet", "store": tmp_path / ("x" * 300)})

    def size(use):
        return metrics.registry.get_sample_value("alliance_hub_disk_size_bytes", {"use": use})

    assert size("bus") > 0
    assert math.isnan(size("store"))


def test_what_could_not_be_written_to_the_audit_log_is_counted(tmp_path):
    bus = open_bus(f"embedded://{tmp_path / 'bus.db'}")
    metrics = Metrics()
    forces = builtin_forces()
    audit = AuditLog(bus, Codec(load_registry(forces)), "1", metrics)

    def counted(outcome):
        name = "alliance_hub_audit_entries_total"
        return metrics.registry.get_sample_value(name, {"outcome": outcome})

    with pytest.raises(ConfigurationError, match=AUDIT_TOPIC):  # there is no such topic yet
        audit.write(Entry("read", "somebody"))
    assert (counted("written"), counted("failed")) == (0, 1)
    apply(bus, [spec for spec in specs(forces, partitions=1) if spec.name == AUDIT_TOPIC])
    audit.write(Entry("read", "somebody"))
    assert (counted("written"), counted("failed")) == (1, 1)
    audit.close()
    bus.close()


def value(bench, name, **labels):
    labels = {"force": "leicestershire", "domain": "incident", **labels}
    return bench.metrics.registry.get_sample_value(f"alliance_hub_{name}", labels)


def test_held_removals_are_told_until_somebody_accepts_them_which_is_audited(bench, tmp_path):
    feed = bench.feed()
    bench.publish(feed, snapshot("monday", *range(10)))
    assert value(bench, "held_removals") == 0
    with Running(bench, feed, batch(), snapshot("tuesday", *range(4)), batch(row(99))) as connector:
        connector.wait_until(lambda: value(bench, "held_removals") == 6)
        words = ["removals", "accept", "leicestershire", "incident", "--count", "6", "--reason", "they left"]
        accepted = CliRunner().invoke(app, [*words, "--bus", f"embedded://{tmp_path}/bus.db"])
        assert accepted.exit_code == 0, accepted.output
        connector.end()
    assert value(bench, "held_removals") == 0
    decode = bench.codec.decoder(AUDIT_TOPIC)
    (entry,) = (decode(received.value) for received in bench.bus.read_all(AUDIT_TOPIC))
    told = [entry[name] for name in ("verb", "principal", "query", "justification")]
    assert told == ["accept 6 removals", "local", "leicestershire.incident", "they left"]


def test_each_failure_of_a_connector_is_counted(bench):
    feed = bench.feed()
    legacy = Played(row(1))
    legacy.error = SourceChangedError("the column GRADE is gone")
    with Kept(bench, feed, legacy, longest_pause=0.05):
        wait_until(lambda: value(bench, "connector_failures_total") >= 3)
        legacy.error = None
        wait_until(lambda: value(bench, "connector_state", state="RUNNING") == 1)
        failures = value(bench, "connector_failures_total")
        reads = legacy.reads
        wait_until(lambda: legacy.reads > reads + 5)
    assert value(bench, "connector_failures_total") == failures
