"""metrics.md: every metric that a running service has at /metrics."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from muster.http.observe.metrics import MAX_WORKSPACES, OTHER
from muster.http.wire.base_url import SCIM_ROOT
from tools.reference.markdown import code, page, paragraph, table
from tools.reference.running import run, running

_TOKEN = "reference"  # noqa: S105  (of a service that ends with this process)
_INTRO = """# Metrics

`GET /metrics` answers in the text format of Prometheus, unless `MUSTER_METRICS` is false. It needs
no key. With `MUSTER_METRICS_TOKEN` as the bearer token, requests are counted by workspace and
connection too; without it, the names of your customers stay hidden, and both labels are missing.

All workers of a server are added up. Each replica has metrics of its own."""
_LABELS: Mapping[str, str] = {
    "operation": "The `operationId` of the OpenAPI document, such as `createUser`; `page` for pages"
    " without a key, `console` for the console, and `unknown` for requests that were refused before"
    " their operation was known.",
    "status": "The HTTP status of the answer.",
    "workspace": f"The name of the workspace; `{OTHER}` beyond the first {MAX_WORKSPACES} that a"
    " worker has seen. Only with the token.",
    "connection": "The name of the connection. Only with the token.",
    "kind": "The budget: `check` for requests of the console whose session is being checked,"
    " `anonymous` for requests without a key or a session, `session` for requests of the console,"
    " `stream` for answers that are sent in pieces.",
    "le": "The upper bound of a bucket of a histogram.",
    "version": "The version of muster.",
}


def metrics_page() -> str:
    """Return the page.

    Raises:
        KeyError: A label has no description above.
    """
    found = [
        metric
        for metric in run(_collect())
        if metric.name.startswith("muster_") and not metric.name.endswith("_created")
    ]
    rows = [
        (code(_name(metric)), metric.type, ", ".join(map(code, _labels(metric))), _text(metric))
        for metric in found
    ]
    used = dict.fromkeys(label for metric in found for label in _labels(metric))
    labels = [(code(label), _LABELS[label]) for label in used]
    buckets = [
        f"{code(metric.name)}: {', '.join(_bounds(metric))}"
        for metric in found
        if metric.type == "histogram"
    ]
    return page(
        _INTRO,
        "## All metrics\n\n" + table(("metric", "type", "labels", "meaning"), rows),
        "## Labels\n\n" + table(("label", "meaning"), labels),
        "## Buckets\n\nThe upper bounds of the histograms, in the unit of the metric:",
        "\n".join(f"- {line}" for line in buckets),
        paragraph(
            "Beside each counter and histogram, a gauge that ends in `_created` has the time of its"
            " first value, in seconds since 1970."
        ),
    )


async def _collect() -> Sequence[Metric]:
    async with running(metrics_token=_TOKEN) as service:
        await service.done("GET", f"{SCIM_ROOT}/Users")
        text = await service.metrics(_TOKEN)
    return list(text_string_to_metric_families(text))


def _name(metric: Metric) -> str:
    """Return the name of a metric's samples: counters end in _total."""
    return f"{metric.name}_total" if metric.type == "counter" else str(metric.name)


def _labels(metric: Metric) -> Iterable[str]:
    found = dict.fromkeys(label for sample in metric.samples for label in sample.labels)
    return [label for label in found if label != "le"]


def _text(metric: Metric) -> str:
    return str(metric.documentation)


def _bounds(metric: Metric) -> Iterable[str]:
    return dict.fromkeys(
        "∞" if sample.labels["le"] == "+Inf" else sample.labels["le"].removesuffix(".0")
        for sample in metric.samples
        if "le" in sample.labels
    )
