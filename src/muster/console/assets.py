"""The static files of the console: addressed by content, compressed and cached for good."""

import gzip
import hashlib
import mimetypes
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from muster.http.wire.message import Headers, Request, Response
from muster.scim.errors import not_found

PREFIX = "/static/"
_FOLDER = Path(__file__).parent
_KINDS = (".css", ".js", ".svg")
_FOR_GOOD = "public, max-age=31536000, immutable"
_SHORTLY = "public, max-age=3600"
_DIGITS = 12
_TAGS = re.compile(r"\s+")


class _Asset(NamedTuple):
    """A static file.

    Attributes:
        media: Its media type.
        body: Its content.
        packed: Its content, compressed with gzip.
        digest: The beginning of its SHA-256.
    """

    media: str
    body: bytes
    packed: bytes
    digest: str


def path_of(name: str) -> str:
    """Return the path of a static file, which changes with its content.

    Args:
        name: Its path within the folder `static`.
    """
    stem, dot, ending = name.rpartition(".")
    return f"{PREFIX}{stem}.{_assets()[name].digest}{dot}{ending}"


def answer(request: Request, headers: Headers) -> Response:
    """Answer a request for a static file.

    A path with the digest of the content may be cached for good. One without it, as in a bookmark,
    has the same content for an hour.

    Args:
        request: The request.
        headers: Headers to add.

    Raises:
        ScimError: 404 if the file does not exist.
    """
    name = request.path.removeprefix(PREFIX)
    found = _by_digest().get(name)
    kept = _FOR_GOOD if found is not None else _SHORTLY
    found = found or _assets().get(name)
    if found is None or request.method not in ("GET", "HEAD"):
        raise not_found("File not found.")
    given = [("content-type", found.media), ("cache-control", kept), ("vary", "accept-encoding")]
    if "gzip" in (request.header("accept-encoding") or ""):
        return Response(200, [*given, ("content-encoding", "gzip"), *headers], found.packed)
    return Response(200, [*given, *headers], found.body)


@cache
def icon(name: str) -> Markup:
    """Return an icon of Tabler as inline SVG, hidden from screen readers."""
    text = (_FOLDER / "icons" / f"{name}.svg").read_text()
    shape = _TAGS.sub(" ", text).partition('<path stroke="none"')[2].partition("/>")[2]
    return Markup(  # noqa: S704 (our own file)
        '<svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"'
        f' stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{shape.strip()}'
    )


@cache
def _assets() -> dict[str, _Asset]:
    """Return the static files by their path within the folder."""
    found = {}
    root = _FOLDER / "static"
    for path in sorted(root.rglob("*")):
        if path.suffix in _KINDS:
            media = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            body = path.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:_DIGITS]
            packed = gzip.compress(body, mtime=0)
            name = path.relative_to(root).as_posix()
            found[name] = _Asset(f"{media}; charset=utf-8", body, packed, digest)
    return found


@cache
def _by_digest() -> dict[str, _Asset]:
    return {path_of(name).removeprefix(PREFIX): asset for name, asset in _assets().items()}
