"""/openapi.json, and the API reference at /docs, drawn by a vendored Swagger UI."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from muster.access.keys import Keys
from muster.access.platform_keys import PREFIX as PLATFORM_PREFIX
from muster.http.wire.base_url import BaseUrl
from muster.http.wire.message import Request, Response, json_response
from muster.http.wire.static import StaticFiles
from muster.scim.schema.model import Registry, registry

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'"
    " data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI sets style attributes, and its style sheet has pictures as data."""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>muster API reference</title>
<link rel="icon" href="{icon}">
<link rel="stylesheet" href="{swagger}">
<link rel="stylesheet" href="{style}">
</head>
<body>
<header class="bar">
<h1>muster API reference</h1>
<nav><a href="docs/guide/">Documentation</a> <a href="openapi.json">openapi.json</a></nav>
<form id="access" autocomplete="off" data-platform="{platform}">
<label for="key">API key</label>
<input id="key" type="password" spellcheck="false" autocomplete="off"
 aria-describedby="state" placeholder="of a workspace, or a platform key">
<button>Use key</button>
<output id="state" for="key"></output>
</form>
</header>
<main id="api"><noscript>This page needs JavaScript. See also
<a href="openapi.json">openapi.json</a>.</noscript></main>
<script src="{bundle}"></script>
<script src="{start}"></script>
</body>
</html>
"""
_FILES = StaticFiles(Path(__file__).parent / "static", "/docs/")
_NAMES = {
    "icon": "icon.svg",
    "swagger": "swagger-ui.css",
    "style": "reference.css",
    "bundle": "swagger-ui-bundle.js",
    "start": "start.js",
}


def openapi(
    document: Callable[[Registry], dict[str, Any]], origin: BaseUrl, keys: Keys
) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of /openapi.json.

    With a valid API key, it describes the custom schemas and types of that key's workspace.
    """

    async def page(request: Request) -> Response:
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        grant = await keys.check(token.strip()) if scheme.lower() == "bearer" else None
        made = await asyncio.to_thread(document, registry() if grant is None else grant.registry)
        return json_response(200, made | {"servers": [{"url": origin.base(request)}]})

    return page


async def page(request: Request) -> Response:
    """Answer /docs; its links are relative, so /docs/ redirects to it."""
    if request.path.endswith("/"):
        return Response(308, [("location", "../docs")])
    paths = {key: _FILES.path_of(name).removeprefix("/") for key, name in _NAMES.items()}
    return Response(
        200,
        [("content-type", "text/html; charset=utf-8"), ("content-security-policy", _POLICY)],
        _PAGE.format(**paths, platform=PLATFORM_PREFIX).encode(),
    )


async def asset(request: Request) -> Response:
    """Answer with a static file of the page."""
    return _FILES.answer(request, [("x-content-type-options", "nosniff")])
