"""Settings: from options, MUSTER_… variables, and muster.toml, in that order."""

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

from muster.base.brand import ACCENT, MAX_NAME, read_logo
from muster.base.vault import LEAST

_LOOPBACK = {
    "0.0.0.0": "127.0.0.1",  # noqa: S104 (compared, not bound)
    "::": "::1",
    "": "127.0.0.1",
}
"""Addresses that stand for all of a machine's, each with one that a browser on it can open."""
Contract = Literal["rfc7644", "cortex"]


class Settings(BaseSettings):
    """Every setting with its default. Times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="MUSTER_", toml_file="muster.toml", extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=1, le=65535, description="Port to listen on.")
    database: str = Field(
        "sqlite:///muster.db",
        description="sqlite:///relative.db, sqlite:////absolute.db or"
        " postgresql://user@host:port/database; with ?host=/folder for a Unix socket.",
    )
    workers: int = Field(1, ge=1, le=256, description="Number of worker processes.")
    contract: Contract = Field(
        "rfc7644",
        description="Response status codes of new workspaces: those of RFC 7644, or of the Cortex"
        " API.",
    )
    rate_limit: int = Field(
        1500,
        ge=0,
        description="Requests per minute of each key, counted over all workers; at most 1,000 with"
        " the cortex contract; 0 for no limit.",
    )
    rate_limit_ceiling: int | None = Field(
        None,
        ge=0,
        description="Highest rate limit that a workspace or a key may have; 0 for none. Default:"
        " ten times the rate limit.",
    )
    base_url: str | None = Field(
        None,
        description="Public URL with its path, for links and meta.location. Default: the host of"
        " the request.",
    )
    brand_name: str = Field(
        "muster",
        max_length=MAX_NAME,
        description="Name of the service on the pages of set-up links.",
    )
    brand_logo: Path | None = Field(
        None,
        description="File with the logo of the service: SVG, PNG, JPEG or WebP, at most 256 KB.",
    )
    brand_accent: str | None = Field(
        None,
        pattern=ACCENT,
        description="Color of buttons on the pages of set-up links, such as #0a5c36.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses or networks, separated by commas, whose X-Forwarded-* headers are"
        " trusted.",
    )
    max_body: int = Field(2_000_000, ge=1024, description="Largest request body, in bytes.")
    max_values: int = Field(
        100_000,
        ge=1000,
        description="Most values in a request body, counted by braces, brackets and commas.",
    )
    max_elements: int = Field(
        5000,
        ge=1,
        le=100_000,
        description="Most elements of a multi-valued attribute; members of groups are not limited.",
    )
    max_comparisons: int = Field(
        100_000,
        ge=1000,
        description="Most comparisons of a PATCH: operations times elements times conditions of"
        " their paths.",
    )
    max_results: int = Field(1000, ge=1, le=100_000, description="Most resources in a page.")
    max_page_bytes: int = Field(
        16_000_000,
        ge=1024,
        description="Most bytes of the resources in a page, and at least twice the largest body;"
        " the feed, the history and the audit log read a quarter of it at a time.",
    )
    answer_cache_mib: int = Field(
        64,
        ge=0,
        le=1_048_576,
        description="Memory of each worker for answers with one resource, in MiB (1,048,576 bytes);"
        " 0 for none. Used on SQLite only.",
    )
    cursor_seconds: int = Field(3600, ge=1, description="Lifetime of a cursor, in seconds.")
    scan_seconds: float = Field(
        10.0,
        gt=0,
        description="Longest search without an index, in seconds; a longer one gets 400. On"
        " PostgreSQL, longest statement.",
    )
    pool_size: int = Field(
        10, ge=2, le=1000, description="Connections to PostgreSQL of each worker."
    )
    max_in_flight: int = Field(
        1000,
        ge=1,
        description="Most requests with a key that a worker handles at a time; further ones get"
        " 503.",
    )
    max_anonymous: int = Field(
        200,
        ge=1,
        description="Most requests without a key or a session that a worker handles at a time;"
        " further ones get 503.",
    )
    max_anonymous_by_address: int = Field(
        32,
        ge=1,
        description="Most of those from one address, or one IPv6 /64 network; further ones get"
        " 503.",
    )
    form_seconds: float = Field(
        10.0,
        gt=0,
        description="Longest time for a form of the console to arrive, in seconds; then 408.",
    )
    body_seconds: float = Field(
        30.0, gt=0, description="Longest time for a request body to arrive, in seconds; then 408."
    )
    drain_delay: float = Field(
        1.0,
        ge=0,
        description="Seconds between SIGTERM, when /readyz turns to 503, and the stop of the"
        " server.",
    )
    drain_seconds: int = Field(
        30, ge=1, description="Longest wait for requests in progress after SIGTERM, in seconds."
    )
    request_log: bool = Field(
        default=True, description="Write one JSON line per request to standard error."
    )
    requests_kept: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description="Requests of each workspace that are kept for the console; 0 for none.",
    )
    requests_days: int = Field(7, ge=1, le=90, description="Days that a request is kept.")
    changes_days: int = Field(
        90,
        ge=0,
        le=36_500,
        description="Days that the feed, the history and the audit log go back; 0 for all.",
    )
    webhooks_private: bool = Field(
        default=False,
        description="Allow webhooks and OpenID providers at private addresses and without TLS.",
    )
    metrics: bool = Field(default=True, description="Count and time requests for /metrics.")
    metrics_token: str | None = Field(
        None,
        min_length=1,
        description="Bearer token with which /metrics has the names of workspaces.",
    )

    secret_key: str | None = Field(
        None,
        repr=False,
        description="Key of at least 32 characters that encrypts the secrets in the database;"
        " further ones, separated by commas, only decrypt. Default: a key file beside the SQLite"
        " database.",
    )

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The keys of `secret_key`; the first one encrypts."""
        return tuple((self.secret_key or "").split(",")) if self.secret_key else ()

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, value: str | None) -> str | None:
        if not value:
            return None
        keys = [key.strip() for key in value.split(",")]
        if any(len(key) < LEAST for key in keys):
            raise ValueError(
                f"must be one or more keys of at least {LEAST} characters, separated by commas"
                " (openssl rand -base64 32 prints one)"
            )
        return ",".join(keys)

    @property
    def ceiling(self) -> int:
        """The highest rate limit that a workspace or a key may have; 0 for none."""
        return 10 * self.rate_limit if self.rate_limit_ceiling is None else self.rate_limit_ceiling

    @property
    def public_url(self) -> str:
        """The URL for people: `base_url`, or the server's address on this machine."""
        if self.base_url is not None:
            return self.base_url
        host = _LOOPBACK.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @field_validator("brand_logo")
    @classmethod
    def _check_logo(cls, given: Path | None) -> Path | None:
        if given is not None:
            read_logo(given)
        return given

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            ipaddress.ip_network(proxy, strict=False)
        return value

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/") if value else None

    @field_validator("database")
    @classmethod
    def _check_database(cls, value: str) -> str:
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
    """Return a message for each MUSTER_… variable that is not a setting.

    Most of them are misspelt, so the nearest setting is suggested.
    """
    settings = {f"MUSTER_{name.upper()}" for name in Settings.model_fields}
    messages = []
    for name in sorted(set(names) - settings):
        if name.startswith("MUSTER_") and not name.startswith("MUSTER_TEST_"):
            near = difflib.get_close_matches(name, settings, 1, 0.8)
            hint = f"; did you mean {near[0]}?" if near else ""
            messages.append(f"{name} is not a setting{hint}")
    return messages


def is_postgres(url: str) -> bool:
    """Tell whether a URL names a PostgreSQL database."""
    return url.startswith(("postgresql://", "postgres://"))


def _check_postgres(url: str) -> None:
    """Check that special characters in the credentials do not hide the host.

    Raises:
        ValueError: They do. The message does not contain the password.
    """
    parts = urlsplit(url)
    user, _, hosts = parts.netloc.rpartition("@")
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts.split(",")]
    cut_short = "@" in parts.path + parts.fragment or ("@" in parts.query and not user)
    if "@" in user or cut_short or not all(port == "" or port.isdigit() for port in ports):
        raise ValueError(
            "percent-encode / @ : ? # and % in the user and the password"
            " (%2F for /, %40 for @), or set PGPASSWORD"
        )


def sqlite_path(url: str) -> str:
    """Return the absolute path of the file that a sqlite:/// URL names.

    Raises:
        ValueError: The URL is of another form.
    """
    if not url.startswith("sqlite:///") or len(url) == len("sqlite:///"):
        raise ValueError(
            "must be sqlite:///relative.db, sqlite:////absolute.db or"
            " postgresql://user:password@host:port/database"
        )
    return str(Path(url.removeprefix("sqlite:///")).absolute())
