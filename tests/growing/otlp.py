"""A small receiver of OpenTelemetry's traces (OTLP over HTTP), for tests."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status


class Receiver:
    """What was received: spans, and the address to send them to."""

    def __init__(self):
        self.spans = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, request):
        """Take the spans in, but for those of a transaction that was not committed and tried again."""
        self.spans += [
            span
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            if span.status.code != Status.STATUS_CODE_ERROR
        ]

    def traces(self):
        """The spans of each trace, by name."""
        found: dict[bytes, dict[str, Any]] = {}
        for span in self.spans:
            found.setdefault(span.trace_id, {})[span.name] = span
        return list(found.values())


@contextmanager
def receiving():
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        thread.join()
        receiver.server.server_close()


def attributes(span):
    return {pair.key: pair.value.string_value for pair in span.attributes}
