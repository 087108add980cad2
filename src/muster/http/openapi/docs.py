"""/openapi.json, and the API reference at /docs, drawn by a bundled Swagger UI."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import swagger_ui_bundle

from muster.access.keys import Keys
from muster.http.wire.base_url import BaseUrl
from muster.http.wire.message import Request, Response, json_response
from muster.scim.errors import ScimError
from muster.scim.schema.model import Registry, registry

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
}
_ASSETS = {"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'"
    " data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>muster API reference</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"><noscript>This page needs JavaScript. See also
<a href="openapi.json">openapi.json</a>.</noscript></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = b"""SwaggerUIBundle({url: "openapi.json", dom_id: "#api",
  deepLinking: true, docExpansion: "list", validatorUrl: null, tryItOutEnabled: true});
"""


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
    return Response(
        200,
        [("content-type", "text/html; charset=utf-8"), ("content-security-policy", _POLICY)],
        _PAGE,
    )


async def asset(request: Request) -> Response:
    """Answer with a static file of the page."""
    name = request.path.rpartition("/")[2]
    if name == "start.js":
        return Response(200, [("content-type", _TYPES[".js"])], _START)
    if name not in _ASSETS:
        raise ScimError(404, f"Unknown path {request.path[:200]!r}")
    headers = [
        ("content-type", _TYPES[Path(name).suffix]),
        ("cache-control", "public, max-age=86400"),
    ]
    return Response(200, headers, _asset(name))


@functools.cache
def _asset(name: str) -> bytes:
    return (Path(swagger_ui_bundle.swagger_ui_path) / name).read_bytes()
