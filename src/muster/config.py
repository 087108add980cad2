"""Settings: from flags, MUSTER_… in the environment, and muster.toml in the working directory, in that order."""

import difflib
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 (compared, not bound)
"""The addresses that stand for all of a machine's, with the one that a browser on it can open."""
Contract = Literal["rfc7644", "cortex"]


class Settings(BaseSettings):
    """Every setting with its default. Times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="MUSTER_", toml_file="muster.toml", extra="forbid")

    host: str = Field("127.0.0.1", description="the address to listen on")
    port: int = Field(8080, ge=1, le=65535, description="the port to listen on")
    database: str = Field(
        "sqlite:///muster.db",
        description="sqlite:///relative.db, sqlite:////absolute.db or postgresql://…",
    )
    workers: int = Field(1, ge=1, le=256, description="how many worker processes serve")
    contract: Contract = Field(
        "rfc7644",
        description="what new workspaces answer: RFC 7644's status codes, or the Cortex page's",
    )
    rate_limit: int = Field(
        1500,
        ge=0,
        description="requests a minute for each key, at most 1,000 with the cortex contract; 0 for no limit",
    )
    rate_limit_ceiling: int | None = Field(
        None,
        ge=0,
        description="the highest rate limit that a workspace or a key may have; 0 for none [ten times rate_limit]",
    )
    base_url: str | None = Field(
        None, description="the public URL, for meta.location; else the request's host"
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="addresses or networks, by commas, whose X-Forwarded-* headers are believed"
    )
    max_body: int = Field(2_000_000, ge=1024, description="the largest request body")
    max_values: int = Field(
        100_000,
        ge=1000,
        description="the most values in a request body: its braces, brackets and commas are counted",
    )
    max_elements: int = Field(
        5000,
        ge=1,
        le=100_000,
        description="the most elements of a multi-valued attribute; members of groups have no limit",
    )
    max_comparisons: int = Field(
        100_000,
        ge=1000,
        description="the most operations of a PATCH times the elements, and conditions, that they look at",
    )
    max_results: int = Field(1000, ge=1, le=100_000, description="the most resources in one page")
    max_page_bytes: int = Field(
        16_000_000,
        ge=1024,
        description="the most bytes of a page; a quarter of it is read of changes at a time",
    )
    cursor_seconds: int = Field(3600, ge=1, description="how long a cursor holds")
    scan_seconds: float = Field(
        10.0,
        gt=0,
        description="how long a search that no index serves may run; on PostgreSQL, any statement",
    )
    pool_size: int = Field(
        10, ge=2, le=1000, description="how many connections to PostgreSQL each worker keeps"
    )
    max_in_flight: int = Field(
        1000,
        ge=1,
        description="how many requests with a key a worker takes on at a time; past them 503",
    )
    max_anonymous: int = Field(
        200,
        ge=1,
        description="how many requests without a key or a session a worker takes on at a time; past them 503",
    )
    max_anonymous_by_address: int = Field(
        32,
        ge=1,
        description="how many of those from one address, or one IPv6 /64 network; past them 503",
    )
    form_seconds: float = Field(
        10.0, gt=0, description="how long a form of the console may take to come"
    )
    body_seconds: float = Field(
        30.0, gt=0, description="how long a request's body may take to come"
    )
    drain_delay: float = Field(
        1.0, ge=0, description="how long before SIGTERM stops the server /readyz is red, in seconds"
    )
    drain_seconds: int = Field(
        30, ge=1, description="how long SIGTERM waits for requests in flight"
    )
    request_log: bool = Field(True, description="one JSON line for each request, on standard error")
    requests_kept: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description="how many requests of a workspace are kept to be looked at; 0 for none",
    )
    requests_days: int = Field(7, ge=1, le=90, description="how many days a request is kept")
    changes_days: int = Field(
        90,
        ge=0,
        le=36_500,
        description="how many days the feed, the history and the audit log go back; 0 for all",
    )
    webhooks_private: bool = Field(
        False,
        description="webhooks and OpenID providers may be at private addresses, and without TLS",
    )
    metrics: bool = Field(True, description="count and time requests for /metrics")
    metrics_token: str | None = Field(
        None,
        min_length=1,
        description="the bearer token with which /metrics has the names of workspaces",
    )

    @property
    def ceiling(self) -> int:
        """The highest rate limit that a workspace or a key may have; 0 for none."""
        return 10 * self.rate_limit if self.rate_limit_ceiling is None else self.rate_limit_ceiling

    @property
    def public_url(self) -> str:
        """The URL for people: base_url, or else the address of the server as this machine reaches it."""
        if self.base_url is not None:
            return self.base_url
        host = _LOOPBACK.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _by_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            ipaddress.ip_network(proxy, strict=False)
        return value

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/") if value else None

    @field_validator("database")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if is_postgres(value):
            _check_postgres(value)
        else:
            sqlite_path(value)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def mistaken_variables(names: Iterable[str]) -> list[str]:
    """What to say of each name that begins with MUSTER_ and is no setting's: most are slips of the pen."""
    settings = {f"MUSTER_{name.upper()}" for name in Settings.model_fields}
    said = []
    for name in sorted(set(names) - settings):
        if name.startswith("MUSTER_") and not name.startswith("MUSTER_TEST_"):
            near = difflib.get_close_matches(name, settings, 1, 0.8)
            said.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return said


def is_postgres(url: str) -> bool:
    """Whether a URL names a PostgreSQL database."""
    return url.startswith(("postgresql://", "postgres://"))


def _check_postgres(url: str) -> None:
    """Raises ValueError, without the URL's password in it, if a special character hides where the host begins."""
    parts = urlsplit(url)
    user, _, hosts = parts.netloc.rpartition("@")
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts.split(",")]
    cut_short = "@" in parts.path + parts.fragment or ("@" in parts.query and not user)
    if "@" in user or cut_short or not all(port == "" or port.isdigit() for port in ports):
        raise ValueError(
            "percent-encode / @ : ? # and % in the user and the password (%2F for /, %40 for @), or set PGPASSWORD"
        )


def sqlite_path(url: str) -> str:
    """The file that a sqlite:/// URL names. Raises ValueError for any other URL."""
    if not url.startswith("sqlite:///") or len(url) == len("sqlite:///"):
        raise ValueError(
            "must be sqlite:///relative.db, sqlite:////absolute.db or postgresql://user:password@host:port/database"
        )
    return str(Path(url.removeprefix("sqlite:///")).absolute())
