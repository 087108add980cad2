"""OpenTelemetry traces: a span per request, and a child span per storage call.

Tracing is turned on by the standard environment variables (OTEL_EXPORTER_OTLP_ENDPOINT,
OTEL_TRACES_EXPORTER, …) and needs the extra `muster-scim[otel]`. If it is off, it adds no cost to
requests. Spans contain no bodies, queries or keys.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from muster.http.observe.shown_paths import without_token
from muster.http.service import Service
from muster.http.wire.message import Request, Response
from muster.scim.masking import bare_path
from muster.storage.port.engine import Storage
from muster.storage.port.errors import StorageError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_UNTRACED = frozenset({"migrate", "start", "close", "ready", "size"})


def wanted(environment: Mapping[str, str]) -> bool:
    """Return whether the environment variables turn on tracing."""
    if (
        environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or environment.get("OTEL_TRACES_EXPORTER") == "none"
    ):
        return False
    return (
        any(environment.get(name) for name in _ENDPOINTS)
        or environment.get("OTEL_TRACES_EXPORTER") == "otlp"
    )


def begin() -> "TracerProvider":
    """Return a tracer provider configured from the environment.

    Raises:
        StorageError: The extra is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise StorageError(
            "OTEL_… variables turn on tracing, but it is not installed: install muster-scim[otel]"
        ) from error
    named = Resource.create()  # uses OTEL_SERVICE_NAME, if set
    if str(named.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        named = named.merge(Resource({SERVICE_NAME: "muster"}))
    provider = TracerProvider(resource=named)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def traced_service(tracer: "Tracer") -> type[Service]:
    """Return a Service subclass that creates a span for each request.

    The span continues the client's `traceparent` (W3C Trace Context).
    """
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind, StatusCode

    class Traced(Service):
        async def answer(self, request: Request) -> Response:
            carrier = {
                name: value
                for name in ("traceparent", "tracestate")
                if (value := request.header(name))
            }
            with tracer.start_as_current_span(
                request.method, extract(carrier), SpanKind.SERVER
            ) as span:
                response = await super().answer(request)
                span.update_name(f"{request.method} {request.operation}")
                span.set_attributes(
                    {
                        "http.request.method": request.method,
                        "http.response.status_code": response.status,
                        "url.path": bare_path(without_token(request.path)),
                        "muster.request_id": request.id,
                        "muster.workspace": request.workspace,
                    }
                )
                if response.status >= 500:
                    span.set_status(StatusCode.ERROR)
                return response

    return Traced


def traced_storage(storage: Storage, tracer: "Tracer", system: str) -> Storage:
    """Wrap a storage with a span for each call.

    Args:
        storage: The storage.
        tracer: The tracer.
        system: The database system: sqlite or postgresql.
    """
    return cast(Storage, _TracedStorage(storage, tracer, system))


class _TracedStorage:
    """A proxy for a storage."""

    def __init__(self, storage: Storage, tracer: "Tracer", system: str) -> None:
        self.__dict__.update(_storage=storage, _tracer=tracer, _system=system)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._storage, name)
        if name in _UNTRACED or not inspect.iscoroutinefunction(found):
            return found
        self.__dict__[name] = self._spanned(name, found)
        return self.__dict__[name]

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._storage, name, value)

    def _spanned(
        self, name: str, method: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        from opentelemetry.trace import SpanKind, get_current_span

        attributes = {"db.system.name": self._system, "db.operation.name": name}
        tracer, title = self._tracer, f"storage.{name}"

        @functools.wraps(method)
        async def spanned(*arguments: Any, **named: Any) -> Any:
            if not get_current_span().is_recording():  # background work is not part of a request
                return await method(*arguments, **named)
            with tracer.start_as_current_span(
                title, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False
            ):
                return await method(*arguments, **named)

        return spanned
