"""The documentation at /docs/guide/, from the files that `make build` puts into the wheel.

`tools/guide` builds the site and packs it into the folder `site` here, with a manifest. A checkout
has no such folder until `make docs` makes it.
"""

import asyncio
import functools
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from muster.http.wire.message import Headers, Request, Response
from muster.http.wire.static import FOR_GOOD, accepts_gzip

ROOT = "/docs/guide"
FOLDER = Path(__file__).parent / "site"
MANIFEST = "manifest.json"
DEEPEST = 6
"""The most segments of a path below /docs/guide."""
_INDEX = "index.html"
_ASK_AGAIN = "public, max-age=0, must-revalidate"
_FILES = 64
"""The most files of the site that are kept in memory."""
_POLICY = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PLAIN = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title></head>
<body><h1>{title}</h1>
{text}</body>
</html>
"""
_NOT_BUILT = """<p>This muster runs from a source checkout, whose documentation is not built. To
build it, run <code>make docs</code> in the checkout and restart muster.</p>
<p>The same pages can be read as Markdown in the folder <code>docs</code> of the repository; start
with <code>docs/index.md</code>.</p>
<p>The <a href="{api}">API reference</a> is there in any case.</p>
"""
_NO_PAGE = """<p>The documentation of this version of muster has no page at this address. Look it up
in the <a href="{root}">contents</a>.</p>
"""


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A file of the site.

    Attributes:
        media: Its media type.
        digest: The SHA-256 of its content, in hexadecimal.
        packed: Whether it is stored compressed, under its name with `.gz`.
        unchanging: Whether its name changes with its content.
        scripts: The Content-Security-Policy hashes of the scripts within the page.
    """

    media: str
    digest: str
    packed: bool = False
    unchanging: bool = False
    scripts: tuple[str, ...] = ()


class Guide:
    """Answers requests for the documentation.

    Args:
        folder: The folder of the packed site, which may be missing; None for the one in the wheel.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or FOLDER
        self._stored = functools.lru_cache(maxsize=_FILES)(self._read)

    @functools.cached_property
    def _files(self) -> dict[str, SiteFile]:
        """The files by their paths; empty if the site is not built."""
        try:
            manifest = json.loads((self._folder / MANIFEST).read_bytes())
        except FileNotFoundError:
            return {}
        return {
            name: SiteFile(**{**given, "scripts": tuple(given.get("scripts", ()))})
            for name, given in manifest["files"].items()
        }

    async def answer(self, request: Request) -> Response:
        """Answer a request for a page or another file of the site."""
        name = request.path.removeprefix(ROOT).removeprefix("/")
        if not name and not request.path.endswith("/"):
            return Response(308, [("location", "guide/")])  # the links on the pages are relative
        files = await asyncio.to_thread(lambda: self._files)
        depth = name.count("/")
        if not files:
            text = _NOT_BUILT.format(api="../" * (depth + 2) + "docs")
            return _plain(404 if name else 200, "The documentation is not built", text)
        if not name or name.endswith("/"):
            name += _INDEX
        elif f"{name}/{_INDEX}" in files:
            return Response(308, [("location", f"{escape(name.rpartition('/')[2])}/")])
        found = files.get(name)
        if found is None:
            return _plain(404, "No such page", _NO_PAGE.format(root="../" * depth or "./"))
        return await self._answer_file(request, name, found)

    async def _answer_file(self, request: Request, name: str, found: SiteFile) -> Response:
        tag = f'W/"{found.digest[:32]}"'
        headers: Headers = [
            ("etag", tag),
            ("cache-control", FOR_GOOD if found.unchanging else _ASK_AGAIN),
            ("vary", "accept-encoding"),
            *_guards(found.scripts),
        ]
        if tag in (request.header("if-none-match") or ""):
            return Response(304, headers)
        headers.append(("content-type", found.media))
        body = await asyncio.to_thread(self._stored, f"{name}.gz" if found.packed else name)
        if not found.packed:
            return Response(200, headers, body)
        if accepts_gzip(request):
            return Response(200, [*headers, ("content-encoding", "gzip")], body)
        return Response(200, headers, await asyncio.to_thread(gzip.decompress, body))

    def _read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()


def paths() -> Iterator[str]:
    """Yield the templates of the paths of the site."""
    for depth in range(DEEPEST + 1):
        yield ROOT + "".join(f"/{{part{number}}}" for number in range(depth))


def _plain(status: int, title: str, text: str) -> Response:
    body = _PLAIN.format(title=title, text=text).encode()
    headers = [("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store")]
    return Response(status, [*headers, *_guards(())], body)


def _guards(scripts: tuple[str, ...]) -> Headers:
    hashes = "".join(f" '{script}'" for script in scripts)
    return [
        ("content-security-policy", _POLICY.format(scripts=hashes)),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
    ]
