"""OpenTelemetry traces, as a collector that the test starts receives them."""

import gzip
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from muster.http.observe import tracing
from tests.support.people import person
from tests.support.server import Server
from tests.support.waiting import until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@contextmanager
def collector():
    """An OpenTelemetry collector, and the spans that it received."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    spans = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                named = {item.key: item.value.string_value for item in resource.resource.attributes}
                spans.extend(
                    (named["service.name"], span)
                    for scope in resource.scope_spans
                    for span in scope.spans
                )
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as started:
        threading.Thread(target=started.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{started.server_port}", spans
        started.shutdown()


@pytest.mark.outside
def test_spans_cover_requests_and_storage_calls(tmp_path):
    with (
        collector() as (url, spans),
        Server(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_BSP_SCHEDULE_DELAY="100") as server,
    ):
        key = server.key("traced")
        headers = {
            "Authorization": f"Bearer {key}",
            "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
            "x-request-id": "r-1",
        }
        made = httpx.post(
            f"{server.url}/scim/v2/Users", json=person("traced@x.example"), headers=headers
        )
        assert made.status_code == 201
        until(lambda: any(span.name == "POST createUser" for _, span in spans))
    request = next(span for _, span in spans if span.name == "POST createUser")
    assert {name for name, _ in spans} == {"muster"}
    assert request.trace_id.hex() == TRACE
    told = {
        item.key: item.value.string_value or item.value.int_value for item in request.attributes
    }
    assert told["http.response.status_code"] == 201
    assert told["muster.request_id"] == "r-1"
    assert told["url.path"] == "/scim/v2/Users"
    inside = {span.name for _, span in spans if span.parent_span_id == request.span_id}
    assert "storage.write" in inside
    assert all(span.parent_span_id for _, span in spans if span.name.startswith("storage."))
    sent = b"".join(span.SerializeToString() for _, span in spans)
    for secret in (key.encode(), b"traced@x.example"):
        assert secret not in sent


@pytest.mark.outside
def test_a_missing_collector_does_not_fail_requests(tmp_path):
    with Server(
        tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", OTEL_BSP_EXPORT_TIMEOUT="500"
    ) as server:
        key = server.key("traced")
        answer = httpx.get(
            f"{server.url}/scim/v2/Users", headers={"Authorization": f"Bearer {key}"}
        )
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("environment", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_traces_follow_the_environment(environment, on):
    assert tracing.wanted(environment) is on
