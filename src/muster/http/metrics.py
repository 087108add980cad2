"""What /metrics tells: requests by operation and status, and how long they took (prometheus-client)."""

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from muster.http.message import Response

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counts requests. The labels are bounded: operations of the API page, and statuses."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("muster_requests", "Requests answered.", ("operation", "status"), registry=self._registry)
        self._seconds = Histogram(
            "muster_request_seconds", "Time to answer.", ("operation",), buckets=_BUCKETS, registry=self._registry
        )
        self._counters: dict[tuple[str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Count one request."""
        counter = self._counters.get((operation, status))
        if counter is None:
            counter = self._counters[operation, status] = self._requests.labels(operation, str(status))
        counter.inc()
        timer = self._timers.get(operation)
        if timer is None:
            timer = self._timers[operation] = self._seconds.labels(operation)
        timer.observe(seconds)

    def response(self) -> Response:
        """The exposition, over all workers where there are several."""
        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(200, [("content-type", CONTENT_TYPE_LATEST)], generate_latest(registry))
