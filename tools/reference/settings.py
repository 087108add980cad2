"""settings.md: every setting, from muster.config."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from muster.config import Settings
from tools.reference.markdown import code, page, sentence, table, with_literals

_INTRO = """# Settings

Every setting has three forms: an environment variable, an option of `muster serve`, and a line in
`./muster.toml`. `MUSTER_MAX_BODY` is also `--max-body` and `max_body`; a setting that is true or
false has two options, such as `--metrics` and `--no-metrics`. An option overrides the variable, and
the variable overrides the file. An example of `muster.toml`:

```toml
database = "postgresql://muster@db.internal:5432/muster"
workers = 4
base_url = "https://scim.example.com"
trusted_proxies = ["10.0.0.0/8"]
```

The other commands have the option `--database`, and `muster admins invite` has `--host`, `--port`
and `--base-url`; they read all other settings from the variables and the file. A variable that
starts with `MUSTER_` and is no setting is named in a warning, with the setting that it resembles. A
value that is not allowed stops the command with exit code 2.

A setting holds for the whole installation. The settings of a workspace, such as its contract and
its guard, are fields of [`/api/v1/settings`](management-operations.md#settings), pages of the
console, and options of [`muster workspaces set`](cli.md#muster-workspaces-set)."""

_OTHERS = """## Other variables

| variable | meaning |
|---|---|
| `PGPASSWORD`, `PGSSLMODE`, `PGSSLROOTCERT` and others of libpq | Parts of the connection to \
PostgreSQL that `MUSTER_DATABASE` does not name. |
| `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_EXPORTER` and others of OpenTelemetry | Traces, if \
the extra `muster-scim[otel]` is installed. `OTEL_TRACES_EXPORTER=none` and \
`OTEL_SDK_DISABLED=true` turn them off. |"""


class Group(NamedTuple):
    """Settings that answer one question.

    Attributes:
        title: The heading above them.
        note: A sentence about them; empty for none.
        names: Their names, in the order of the page.
    """

    title: str
    note: str
    names: Sequence[str]


GROUPS: Sequence[Group] = (
    Group(
        "Server",
        "The address and the processes of the service.",
        ("host", "port", "workers", "drain_delay", "drain_seconds"),
    ),
    Group(
        "Database and secrets",
        "Every process of an installation needs the same values here.",
        ("database", "pool_size", "secret_key"),
    ),
    Group(
        "URLs and proxies",
        "Behind a proxy that terminates TLS, set one of these two.",
        ("base_url", "trusted_proxies"),
    ),
    Group(
        "New workspaces and keys",
        "Defaults that a workspace, a connection or a key can override.",
        ("contract", "rate_limit", "rate_limit_ceiling"),
    ),
    Group(
        "Size of requests and answers",
        "[Limits](limits.md) has the answer beyond each, and the limits without a setting.",
        (
            *("max_body", "max_values", "max_elements", "max_comparisons", "max_results"),
            *("max_page_bytes", "cursor_seconds"),
        ),
    ),
    Group(
        "Memory",
        "Answers in memory are given again while nothing has changed"
        " ([Kept answers](../explanation/architecture.md#kept-answers)).",
        ("answer_cache_mib",),
    ),
    Group(
        "Load",
        "They keep one client from taking a worker's time away from the others.",
        (
            *("scan_seconds", "max_in_flight", "max_anonymous", "max_anonymous_by_address"),
            *("body_seconds", "form_seconds"),
        ),
    ),
    Group(
        "Records",
        "What is stored about requests and changes, and for how long.",
        ("request_log", "requests_kept", "requests_days", "changes_days"),
    ),
    Group("Metrics", "See [Metrics](metrics.md).", ("metrics", "metrics_token")),
    Group(
        "Outbound connections",
        "Webhooks and OpenID providers are the only hosts that muster connects to.",
        ("webhooks_private",),
    ),
    Group(
        "Brand",
        "The pages of set-up links, which people outside your organization see.",
        ("brand_name", "brand_logo", "brand_accent"),
    ),
)


def settings_page() -> str:
    """Return the page.

    Raises:
        ValueError: A setting is in no group, or in two.
    """
    grouped = [name for group in GROUPS for name in group.names]
    if sorted(grouped) != sorted(Settings.model_fields):
        strays = sorted({*grouped} ^ {*Settings.model_fields})
        raise ValueError(f"put each setting into one group of {__name__}.GROUPS: {strays}")
    schema = Settings.model_json_schema()["properties"]
    parts = [
        f"## {group.title}\n\n{group.note}\n\n{_table(group.names, schema)}" for group in GROUPS
    ]
    return page(_INTRO, *parts, _OTHERS)


def _table(names: Sequence[str], schema: Mapping[str, Any]) -> str:
    rows = [
        (code(f"MUSTER_{name.upper()}"), _values(schema[name]), code(_default(name)), _text(name))
        for name in names
    ]
    return table(("variable", "value", "default", "meaning"), rows)


def _text(name: str) -> str:
    return with_literals(sentence(Settings.model_fields[name].description or ""))


def _default(name: str) -> str:
    value = Settings.model_fields[name].default
    if value is None or value == ():
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


_KINDS = {
    "array": "list, separated by commas",
    "boolean": "`true` or `false`",
    "integer": "whole number",
    "number": "number",
    "string": "text",
}


def _values(schema: Mapping[str, Any]) -> str:
    """Return the allowed values of a setting in words."""
    if "anyOf" in schema:  # the other one is null
        return _values(next(found for found in schema["anyOf"] if found["type"] != "null"))
    if "enum" in schema:
        return " or ".join(map(code, schema["enum"]))
    if schema.get("format") == "path":
        return "path of a file"
    return ", ".join([_KINDS[schema["type"]], *_bounds(schema)])


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        yield f"{least:,} to {most:,}"
    elif least is not None:
        yield f"{least:,} or more"
    if "exclusiveMinimum" in schema:
        yield f"more than {schema['exclusiveMinimum']:,}"
    if "maxLength" in schema:
        yield f"at most {schema['maxLength']:,} characters"
    if "pattern" in schema:
        yield f"matching {code(schema['pattern'])}"
