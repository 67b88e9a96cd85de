"""One trace leads from the connector over the normaliser to the view, where an endpoint is configured."""

import datetime as dt

import pytest

from connectors.standins.legacy import LegacySystems
from hub import tracing
from hub.errors import ConfigurationError
from hub.tracing import configure
from tests.connecting import Bench, batch, row
from tests.growing.otlp import attributes, receiving
from tests.legacy import builtin_forces
from tests.mapped import event
from tests.normalising import Room
from tests.trial import hub_on

WAY = ("publish leicestershire.incident.v1", "normalise alliance.incident.v1", "view alliance.incident.v1")


@pytest.fixture
def receiver(monkeypatch):
    with receiving() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield made


def show_incidents(tmp_path, count=5):
    """Have a whole hub show some incidents of Leicestershire; the ids that they have."""
    legacy = LegacySystems(tmp_path / "legacy", builtin_forces(), staff_scale=0.01)
    ids = {legacy.raise_incident("leicestershire", legacy.clock(), dt.date(2026, 6, 1)) for _ in range(count)}
    try:
        with hub_on(legacy, tmp_path / "state") as hub:
            hub.catch_up()
            assert all(hub.record("incident", identity) for identity in ids)
    finally:
        legacy.close()
    return ids


def test_one_trace_leads_from_the_connector_over_the_normaliser_to_the_view(tmp_path, receiver, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "1")
    ids = show_incidents(tmp_path)
    traces = [trace for trace in receiver.traces() if WAY[0] in trace]
    assert {attributes(trace[WAY[0]])["hub.record_id"] for trace in traces} == ids
    for trace in traces:
        published, normalised, viewed = (trace[name] for name in WAY)
        assert published.parent_span_id == b""
        assert normalised.parent_span_id == published.span_id
        assert viewed.parent_span_id == normalised.span_id
        assert len({attributes(span)["hub.record_id"] for span in trace.values()}) == 1
        assert attributes(published)["hub.force"] == "leicestershire"
        assert published.start_time_unix_nano <= published.end_time_unix_nano


def test_only_the_share_that_was_asked_for_is_traced(tmp_path, receiver, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    show_incidents(tmp_path)
    assert receiver.spans == []


def test_without_an_endpoint_no_record_bears_a_trace(tmp_path):
    assert configure("1", {}) is None
    assert tracing.spans("publish") is None
    bench = Bench(tmp_path)
    bench.publish(bench.feed(), batch(row(1)))
    (event,) = bench.bus.read_all(bench.feed().topic)
    assert "traceparent" not in dict(event.headers)
    bench.close()


def test_an_endpoint_that_is_away_holds_nothing_up(tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "1")
    show_incidents(tmp_path)


def test_a_share_that_is_none_is_refused():
    with pytest.raises(ConfigurationError, match="OTEL_TRACES_SAMPLER_ARG is 'many'"):
        configure(
            "1", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_SAMPLER_ARG": "many"}
        )


def test_the_trace_of_an_event_from_elsewhere_is_found_however_many_headers_it_has(tmp_path):
    room, trace = Room(tmp_path), b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    of = room.forces["leicestershire"].feeds["incident"]
    encode = room.codec.encoder(of.topic)
    for others in range(10):
        made = event(of, key=str(others))
        headers = [*((f"theirs-{number}", b"") for number in range(others)), ("traceparent", trace)]
        room.write(of, (made["record_id"].encode(), encode(made)), head=headers)
    room.normalise()
    records = room.messages("alliance.incident.v1")
    assert [dict(each.headers).get("traceparent") for each in records] == [trace] * 10
    room.close()
