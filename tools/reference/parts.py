"""The parts of muster that the pages describe, built without opening a database."""

import functools
from collections.abc import Sequence

from muster.app import (
    Services,
    build_services,
    console_pages,
    management_routes,
    platform_routes,
)
from muster.config import Settings
from muster.console.web import PageRoute
from muster.http.management.router import ApiRoute
from muster.http.platform.router import PlatformRoute
from muster.http.wire.base_url import BaseUrl
from muster.storage.engines import open_storage


@functools.cache
def settings() -> Settings:
    """Return the defaults, whatever the environment and muster.toml say."""
    return Settings.model_construct()


@functools.cache
def _services() -> Services:
    return build_services(open_storage(settings()), settings())


@functools.cache
def management() -> Sequence[ApiRoute]:
    """Return the operations of the management API."""
    return management_routes(_services())


@functools.cache
def platform() -> Sequence[PlatformRoute]:
    """Return the operations of the platform API."""
    return platform_routes(_services(), management(), BaseUrl(None, ()))


@functools.cache
def console() -> Sequence[PageRoute]:
    """Return the pages and forms of the console."""
    return console_pages(_services())
