"""Traces of single records through connector, normaliser and view, by the header `traceparent`.

On where OpenTelemetry's own variables name an endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT`, OTLP over
HTTP; the others of the exporter are heeded too). The connector takes one event in a hundred, or the
share in `OTEL_TRACES_SAMPLER_ARG`; the stages behind it follow those that bear the header. Where it
is off, `spans` gives None, and a stage asks no more than that.
"""

import os
import random
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from hub.bus.contract import Headers, Received
from hub.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
SHARE = "OTEL_TRACES_SAMPLER_ARG"
HEADER = "traceparent"
_DEFAULT_SHARE = 0.01
_EXPORT_SECONDS = 3


class Tracing:
    """What a process traces with: made by the command line, and shut down at its end."""

    def __init__(self, provider: "TracerProvider", share: float) -> None:
        self._provider = provider
        self.share = share
        self.tracer = provider.get_tracer("alliance-hub")

    def close(self) -> None:
        """Send what is still to be sent, for some seconds at most."""
        self._provider.shutdown()
        if _Place.tracing is self:
            _Place.tracing = None


class Spans:
    """The spans of one stage's transaction: begun with its records, ended once they are durable."""

    def __init__(self, tracing: Tracing, stage: str, force: str = "") -> None:
        self._tracer = tracing.tracer
        self._share = tracing.share
        self._stage = stage
        self._force = {"hub.force": force} if force else {}
        self._open: list[Span] = []

    def begin(self, topic: str, key: bytes | None, headers: Headers, since_micros: int) -> Headers:
        """Begin a trace with a share of the events; the headers to send, `traceparent` among them."""
        if random.random() >= self._share:  # noqa: S311 a sample, no secret
            return headers
        return [*headers, (HEADER, self._start(topic, key, None, since_micros))]

    def follow(self, topic: str, key: bytes | None, headers: Headers) -> Headers:
        """Go on with the trace that a record bears; the headers to send on, this stage's span in them."""
        parent = parent_of(headers)
        if parent is None or not parent.endswith("-01"):
            return headers
        found = self._start(topic, key, parent, time.time_ns() // 1000)
        return [*((name, value) for name, value in headers if name != HEADER), (HEADER, found)]

    def follow_all(self, received: Iterable[Received]) -> None:
        """Go on with the traces of records that are not sent on."""
        for each in received:
            self.follow(each.topic, each.key, each.headers)

    def end(self) -> None:
        """The records are durable."""
        for span in self._open:
            span.end()
        self._open.clear()

    def drop(self) -> None:
        """The transaction failed: its records come again, with spans of their own."""
        from opentelemetry.trace import StatusCode

        for span in self._open:
            span.set_status(StatusCode.ERROR, "not committed; tried again")
        self.end()

    def _start(self, topic: str, key: bytes | None, parent: str | None, since_micros: int) -> bytes:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        context = TraceContextTextMapPropagator().extract({} if parent is None else {HEADER: parent})
        record = {} if key is None else {"hub.record_id": key.decode("utf-8", "replace")}
        span = self._tracer.start_span(
            f"{self._stage} {topic}",
            context,
            attributes={**self._force, **record, "messaging.destination.name": topic},
            start_time=since_micros * 1000,
        )
        self._open.append(span)
        found = span.get_span_context()
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-01".encode()


class _Place:
    """Where the tracing of this process is kept, as OpenTelemetry keeps its own."""

    tracing: Tracing | None = None


def configure(instance: str, environ: Mapping[str, str] | None = None) -> Tracing | None:
    """Trace from now on where an endpoint is configured; None where not."""
    environ = os.environ if environ is None else environ
    if not any(environ.get(name) for name in ENDPOINTS):
        _Place.tracing = None
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    named = {
        "service.name": environ.get("OTEL_SERVICE_NAME", "alliance-hub"),
        "service.instance.id": instance,
    }
    provider = TracerProvider(ALWAYS_ON, Resource.create(named), shutdown_on_exit=False)
    timeout = None if environ.get("OTEL_EXPORTER_OTLP_TIMEOUT") else _EXPORT_SECONDS
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=timeout)))
    _Place.tracing = Tracing(provider, _share(environ.get(SHARE)))
    return _Place.tracing


def spans(stage: str, force: str = "") -> Spans | None:
    """The spans of a stage; None where nothing is traced."""
    return None if _Place.tracing is None else Spans(_Place.tracing, stage, force)


def parent_of(headers: Headers) -> str | None:
    """The `traceparent` among headers."""
    return next((value.decode("ascii", "replace") for name, value in headers if name == HEADER), None)


def trace_id_of(headers: Headers) -> str | None:
    """The trace that a record belongs to, for the log."""
    parts = (parent_of(headers) or "").split("-")
    return parts[1] if len(parts) == 4 else None


def _share(text: str | None) -> float:
    try:
        share = _DEFAULT_SHARE if text is None else float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise ConfigurationError(f"{SHARE} is '{text}'; write the share of events to trace, from 0 to 1.")
    return share
