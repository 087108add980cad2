"""Static files of a folder: addressed by content, compressed and cached for good."""

import functools
import gzip
import hashlib
import mimetypes
from pathlib import Path
from typing import NamedTuple

from muster.http.wire.message import Headers, Request, Response
from muster.scim.errors import not_found

_KINDS = (".css", ".js", ".svg")
FOR_GOOD = "public, max-age=31536000, immutable"
_SHORTLY = "public, max-age=3600"
_DIGITS = 12


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


def accepts_gzip(request: Request) -> bool:
    """Return whether the client reads bodies that are compressed with gzip."""
    return "gzip" in (request.header("accept-encoding") or "")


class StaticFiles:
    """The static files of a folder, which are read when one of them is first needed.

    Args:
        folder: The folder.
        prefix: The path under which they are answered, with a slash at its end.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        self._folder = folder
        self._prefix = prefix

    def path_of(self, name: str) -> str:
        """Return the path of a static file, which changes with its content.

        Args:
            name: Its path within the folder.
        """
        stem, dot, ending = name.rpartition(".")
        return f"{self._prefix}{stem}.{self._assets[name].digest}{dot}{ending}"

    def answer(self, request: Request, headers: Headers) -> Response:
        """Answer a request for a static file.

        A path with the digest of the content may be cached for good. One without it, as in a
        bookmark, has the same content for an hour.

        Args:
            request: The request.
            headers: Headers to add.

        Raises:
            ScimError: 404 if the file does not exist.
        """
        name = request.path.removeprefix(self._prefix)
        found = self._by_digest.get(name)
        kept = FOR_GOOD if found is not None else _SHORTLY
        found = found or self._assets.get(name)
        if found is None or request.method not in ("GET", "HEAD"):
            raise not_found("File not found.")
        given = [
            ("content-type", found.media),
            ("cache-control", kept),
            ("vary", "accept-encoding"),
        ]
        if accepts_gzip(request):
            return Response(200, [*given, ("content-encoding", "gzip"), *headers], found.packed)
        return Response(200, [*given, *headers], found.body)

    @functools.cached_property
    def _assets(self) -> dict[str, _Asset]:
        """The static files by their path within the folder."""
        found = {}
        for path in sorted(self._folder.rglob("*")):
            if path.suffix in _KINDS:
                media = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
                body = path.read_bytes()
                digest = hashlib.sha256(body).hexdigest()[:_DIGITS]
                packed = gzip.compress(body, mtime=0)
                name = path.relative_to(self._folder).as_posix()
                found[name] = _Asset(f"{media}; charset=utf-8", body, packed, digest)
        return found

    @functools.cached_property
    def _by_digest(self) -> dict[str, _Asset]:
        return {
            self.path_of(name).removeprefix(self._prefix): asset
            for name, asset in self._assets.items()
        }
