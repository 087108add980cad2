"""Prometheus metrics at /metrics: requests, durations, queues, database size."""

import hmac
import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from muster.http.scim.answer_cache import AnswerCache
from muster.http.wire.admission import Budget
from muster.http.wire.errors import Unauthorized
from muster.http.wire.message import Request, Response
from muster.storage.port.engine import Pressure
from muster.version import __version__

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_WORKSPACE, _CONNECTION = "workspace", "connection"
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_GATHERED = 64
MAX_WORKSPACES = 200
OTHER = "(other)"
"""The label for workspaces and connections beyond the first MAX_WORKSPACES."""


_OTHERS = f"{OTHER}\0{OTHER}"


def _names(place: str) -> tuple[str, str]:
    """Return the names of the workspace and the connection of a place."""
    workspace, _, connection = place.partition("\0")
    return workspace, connection


class Times(Histogram):
    """A histogram that observes many values at once."""

    def observe_all(self, amounts: list[float]) -> None:
        """Observe many values with one update per bucket.

        Observing each value by itself would take a twelfth of the time of a read.
        """
        self._sum.inc(sum(amounts))
        amounts, counted = sorted(amounts), 0
        for bound, bucket in zip(self._upper_bounds, self._buckets, strict=True):
            within = bisect_right(amounts, bound, counted)
            if within > counted:
                bucket.inc(within - counted)
                counted = within


class _Tally:
    """The requests of one operation, status and connection that are not yet counted.

    Attributes:
        seconds: Their durations.
    """

    __slots__ = ("seconds", "timer", "total")

    def __init__(self, timer: Times, total: Counter) -> None:
        self.timer = timer
        self.total = total
        self.seconds: list[float] = []

    def count(self) -> None:
        """Add the collected requests to the metrics."""
        gathered, self.seconds = self.seconds, []
        self.timer.observe_all(gathered)
        self.total.inc(len(gathered))


class Metrics:
    """The metrics of this worker.

    All labels have a bounded number of values: operations, statuses, and the first MAX_WORKSPACES
    connections of workspaces that a worker sees.

    Args:
        token: The operator's token; only scrapes with it get the names of workspaces and
            connections.
    """

    def __init__(self, token: str | None = None) -> None:
        self._token = token
        self._registry = registry = CollectorRegistry()
        self._tallies: dict[tuple[str, int, str], _Tally] = {}
        self._connections_seen: set[str] = set()
        self._seconds = Times(
            "muster_request_seconds",
            "Requests answered, and their duration.",
            ("operation", "status"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._requests = Counter(
            "muster_requests",
            "Requests answered; rate-limited requests have status 429.",
            ("operation", "status", _WORKSPACE, _CONNECTION),
            registry=registry,
        )
        self._unrecorded = Counter(
            "muster_requests_unrecorded",
            "Requests that could not be recorded for the console.",
            registry=registry,
        )
        self._batches = Histogram(
            "muster_write_batch_size",
            "Writes that shared a transaction.",
            buckets=_SIZES,
            registry=registry,
        )
        self._in_flight = self._gauge("requests_in_flight", "Requests in progress.")
        self._places = self._gauge(
            "places_in_use",
            "Requests without a key, requests with a session, and streamed responses in progress.",
            labels=("kind",),
        )
        self._turned_away = Counter(
            "muster_places_refused",
            "Requests rejected because all places of their kind were taken.",
            ("kind",),
            registry=registry,
        )
        self._stalls = Counter(
            "muster_loop_stalls",
            "Stalls of the event loop of more than half a second.",
            registry=registry,
        )
        self._writes = self._gauge("writes_waiting", "Writes waiting for a transaction.")
        self._searches = self._gauge("searches_waiting", "Searches waiting for a connection.")
        self._connections = self._gauge("connections_in_use", "PostgreSQL connections in use.")
        self._answers_found = Counter(
            "muster_answer_cache_hits",
            "Answers with one resource that were given from memory.",
            registry=registry,
        )
        self._answers_read = Counter(
            "muster_answer_cache_misses",
            "Answers with one resource that were read from the database, to be kept in memory.",
            registry=registry,
        )
        self._answers_size = self._gauge(
            "answer_cache_bytes", "Memory of the answers that are kept, in bytes."
        )
        self._database = self._gauge(
            "database_bytes", "The size of the database in bytes.", "livemax"
        )
        self._gauge(
            "build_info", "Always 1, with the version as a label.", "livemax", ("version",)
        ).labels(__version__).set(1)

    def _gauge(
        self, name: str, text: str, mode: str = "livesum", labels: tuple[str, ...] = ()
    ) -> Gauge:
        return Gauge(
            f"muster_{name}",
            text,
            labels,
            registry=self._registry,
            multiprocess_mode=mode,  # type: ignore[arg-type]  # typed as a literal
        )

    def observe(self, operation: str, status: int, place: str, seconds: float) -> None:
        """Count one request; it appears within a second.

        Args:
            operation: The name of the operation.
            status: The HTTP status.
            place: The names of the workspace and the connection, as `Grant.counted_as` has them;
                empty if unknown.
            seconds: The duration.
        """
        tally = self._tallies.get((operation, status, place))
        if tally is None:
            tally = self._tally(operation, status, place)
        tally.seconds.append(seconds)
        if len(tally.seconds) >= _GATHERED:
            tally.count()

    def _tally(self, operation: str, status: int, place: str) -> _Tally:
        if place not in self._connections_seen:
            if len(self._connections_seen) >= MAX_WORKSPACES:
                place = _OTHERS
            self._connections_seen.add(place)
        key = (operation, status, place)
        if key not in self._tallies:
            timer = self._seconds.labels(operation, str(status))
            self._tallies[key] = _Tally(
                timer, self._requests.labels(operation, str(status), *_names(place))
            )
        return self._tallies[key]

    def committed(self, writes: int) -> None:
        """Count a transaction and its writes."""
        self._batches.observe(writes)

    def tell(self, in_flight: int, pressure: Pressure, unrecorded: int) -> None:
        """Update the gauges, once a second.

        Args:
            in_flight: The requests in progress.
            pressure: The queues of the storage.
            unrecorded: The requests not recorded since the last call.
        """
        self._unrecorded.inc(unrecorded)
        self._count()
        self._in_flight.set(in_flight)
        self._writes.set(pressure.writes_waiting)
        self._searches.set(pressure.searches_waiting)
        self._connections.set(pressure.connections_in_use)

    def tell_waiting(self, budgets: Mapping[str, Budget], stalls: int) -> None:
        """Update the gauges of the budgets, and count new rejections and stalls."""
        self._stalls.inc(stalls)
        for kind, budget in budgets.items():
            self._places.labels(kind).set(budget.inside)
            refused, budget.refused = budget.refused, 0
            self._turned_away.labels(kind).inc(refused)

    def tell_answers(self, answers: AnswerCache) -> None:
        """Update the metrics of the answers that are kept in memory."""
        (hits, answers.hits), (misses, answers.misses) = (answers.hits, 0), (answers.misses, 0)
        self._answers_found.inc(hits)
        self._answers_read.inc(misses)
        self._answers_size.set(answers.size)

    def tell_size(self, size: int) -> None:
        """Update the size of the database, in bytes."""
        self._database.set(size)

    def _count(self) -> None:
        for tally in self._tallies.values():
            if tally.seconds:
                tally.count()

    async def response(self, request: Request) -> Response:
        """Answer a scrape; only with the operator's token it gets names of workspaces.

        Raises:
            Unauthorized: The token is wrong. Without the error, the missing workspaces would go
                unnoticed.
        """
        given = request.header("authorization")
        if self._token is None or given is None:
            return _exposition(self.collected(workspaces=False))
        scheme, _, token = given.partition(" ")
        right = hmac.compare_digest(token.strip().encode("utf-8", "replace"), self._token.encode())
        if scheme.lower() != "bearer" or not right:
            raise Unauthorized(
                "Wrong token. Use the token in MUSTER_METRICS_TOKEN.", "invalid_token"
            )
        return _exposition(self.collected(workspaces=True))

    def collected(self, workspaces: bool) -> Collector:
        """Return the metrics of all workers.

        Args:
            workspaces: Whether to count requests by workspace and connection, revealing the names
                of customers.
        """
        self._count()
        registry = self._registry
        if _FOLDER in os.environ:
            _bury(Path(os.environ[_FOLDER]))
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # untyped library
        return registry if workspaces else _WithoutWorkspaces(registry)


class _WithoutWorkspaces(Collector):
    """The metrics of a registry summed over the labels `workspace` and `connection`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            if any(_WORKSPACE in sample.labels for sample in metric.samples):
                metric = _summed(metric)
            yield metric


def _summed(metric: Metric) -> Metric:
    """Sum a metric over all connections; of the creation times, keep the earliest."""
    values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for sample in metric.samples:
        labels = tuple(
            (name, value)
            for name, value in sample.labels.items()
            if name not in (_WORKSPACE, _CONNECTION)
        )
        key = (sample.name, labels)
        if sample.name.endswith("_created"):
            values[key] = min(values.get(key, sample.value), sample.value)
        else:
            values[key] = values.get(key, 0.0) + sample.value
    made = Metric(metric.name, metric.documentation, metric.type, metric.unit)
    for (name, labels), value in values.items():
        made.add_sample(name, dict(labels), value)
    return made


def _exposition(collector: Collector) -> Response:
    return Response(200, [("content-type", CONTENT_TYPE_LATEST)], generate_latest(collector))


def _bury(folder: Path) -> None:
    """Remove the gauges of workers that have exited."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]  # untyped library
