"""What /metrics tells: requests by operation and status, and how long they took (prometheus-client)."""

import os

from prometheus_client import CollectorRegistry, Histogram, generate_latest, multiprocess
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from muster.http.message import Request, Response

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counts and times requests, in one histogram. The labels are bounded: operations of the API page, and statuses."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "muster_request_seconds",
            "Requests answered, and the time that it took.",
            ("operation", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._timers: dict[tuple[str, int], Histogram] = {}

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Count one request."""
        timer = self._timers.get((operation, status))
        if timer is None:
            timer = self._timers[operation, status] = self._seconds.labels(operation, str(status))
        timer.observe(seconds)

    async def response(self, _: Request) -> Response:
        """The exposition, over all workers where there are several."""
        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(200, [("content-type", CONTENT_TYPE_LATEST)], generate_latest(registry))
