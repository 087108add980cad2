"""Reads a built site: its pages, their links, anchors, scripts and pictures."""

import base64
import hashlib
import posixpath
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LINKS = {"a": "href", "link": "href", "img": "src", "script": "src", "source": "src"}
_DATA_SCRIPTS = {"application/json", "application/ld+json"}


@dataclass
class Page:
    """A page of the site.

    Attributes:
        links: The targets of its links, pictures, style sheets and scripts.
        loaded: Those of them that a browser loads by itself.
        anchors: The ids within it.
        scripts: The Content-Security-Policy hashes of its inline scripts.
        unnamed: The pictures without an alternative text.
    """

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    scripts: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._script: list[str] | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if "id" in given:
            self.page.anchors.add(given["id"])
        target = given.get(_LINKS.get(tag, ""))
        if target is not None:
            self.page.links.append(target)
            if tag != "a" and given.get("rel") not in ("canonical", "prev", "next"):
                self.page.loaded.append(target)
        if tag == "img" and not given.get("alt"):
            self.page.unnamed.append(given.get("src", ""))
        if tag == "script" and "src" not in given and given.get("type") not in _DATA_SCRIPTS:
            self._script = []

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self._script.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script" and self._script is not None:
            digest = hashlib.sha256("".join(self._script).encode()).digest()
            self.page.scripts.append(f"sha256-{base64.b64encode(digest).decode()}")
            self._script = None


def read_page(html: str) -> Page:
    """Return the links, anchors and scripts of a page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.page


def read_pages(folder: Path) -> dict[str, Page]:
    """Return the pages of a built site by their paths."""
    return {
        path.relative_to(folder).as_posix(): read_page(path.read_text())
        for path in sorted(folder.rglob("*.html"))
    }


def target_of(page: str, link: str) -> tuple[str, str] | None:
    """Return the file and the anchor that a link of a page leads to; None if it leaves the site."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(parts.path)))
    if not parts.path:
        path = page
    elif posixpath.basename(parts.path) in ("", ".", ".."):
        path = posixpath.normpath(f"{path}/index.html")
    return path, unquote(parts.fragment)


def broken_links(folder: Path, pages: dict[str, Page]) -> list[str]:
    """Return the links that lead to no file of the site, or to no anchor of a page."""
    broken = []
    for name, page in pages.items():
        for link in page.links:
            found = target_of(name, link)
            if found is None:
                continue
            path, anchor = found
            if not (folder / path).is_file():
                broken.append(f"{name}: {link}: no such file")
            elif anchor and path in pages and anchor not in pages[path].anchors:
                broken.append(f"{name}: {link}: no such anchor")
    return sorted(set(broken))


def loads_from_elsewhere(pages: dict[str, Page]) -> list[str]:
    """Return the targets at other hosts that a browser would load by itself."""
    return sorted(
        {
            f"{name}: {link}"
            for name, page in pages.items()
            for link in page.loaded
            if urlsplit(link).netloc
        }
    )
